import { workflow } from "varve";
import { expect, it } from "vitest";
import { StoreError } from "../../src/kernel/errors.ts";
import { openLab } from "../support/lab.ts";

const unanswered = () => new StoreError("STORE_UNAVAILABLE", "no answer came", { retry: true });

it("a run that its worker has parked and claimed again goes on, though the answers to both were lost", async () => {
  const lab = openLab();
  const { append, claim } = lab.store;
  let giveUp: () => void = () => {};
  let lostWrites = 0;
  let lostClaims = 0;
  lab.store.append = async (write) => {
    const verdict = await append.call(lab.store, write);
    const isParked = write.runs.some(({ row }) => row.kind === "move" && row.status === "waiting");
    if (!isParked || lostWrites++ > 0) return verdict;
    // Nobody answers for so long that the run has been claimed again.
    await new Promise<void>((resolve) => {
      giveUp = resolve;
    });
    throw unanswered();
  };
  lab.store.claim = async (request) => {
    const verdict = await claim.call(lab.store, request);
    if (verdict.claims.length === 0 || lostClaims++ > 0) return verdict;
    throw unanswered();
  };
  const napping = workflow({ name: "napping" }, async (ctx) => {
    await ctx.sleep("nap", "1s");
    return await ctx.step("work", () => "done");
  });
  const engine = await lab.engine({ workflows: [napping] });
  engine.start("napping").catch(() => {});
  await lab.pass(6_000);
  giveUp();
  await lab.pass(6_000);
  expect([lostWrites > 0, lostClaims > 0]).toEqual([true, true]);
  expect(await lab.rows("napping")).toMatchObject([{ status: "completed" }]);
});
