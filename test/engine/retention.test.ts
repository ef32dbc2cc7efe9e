import { describe, expect, it } from "vitest";
import { workflow } from "../../src/ctx/workflow.ts";
import { RetentionSweep } from "../../src/engine/retention.ts";
import { openLab } from "../support/lab.ts";
import { manualClock } from "../support/ports.ts";

const DAY_MS = 86_400_000;

/** A sweep over tables of which so many steps are full, or fail. */
function swept(steps: readonly ("full" | "rest" | Error)[]) {
  const clock = manualClock(100 * DAY_MS);
  const at: number[] = [];
  const asked: object[] = [];
  const lines: string[] = [];
  const sweep = new RetentionSweep({
    store: {
      pruneDeliveries: async (request) => {
        at.push(clock.monotonic());
        asked.push(request);
        const step = steps[at.length - 1] ?? "rest";
        if (step instanceof Error) throw step;
        return step === "full" ? request.limit : 3;
      },
      sweepMessages: async (before) => {
        asked.push({ messagesBefore: before });
        return 0;
      },
    },
    clock,
    logger: { log: (_level, message) => void lines.push(message) },
    now: async () => clock.now(),
    deliveriesMs: 30 * DAY_MS,
    messagesMs: 7 * DAY_MS,
  });
  const pass = async (ms: number, stepMs: number) => {
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(stepMs);
      for (let i = 0; i < 10; i++) await Promise.resolve();
    }
  };
  return { sweep, at, asked, lines, pass, begun: clock.monotonic() };
}

describe("what is too old", () => {
  it("is taken away a minute after a start, each second while there is more, and every ten minutes", async () => {
    const { sweep, at, asked, pass, begun } = swept(["full", "full"]);
    sweep.start();
    sweep.start();
    await pass(25 * 60_000, 1_000);
    expect(at.map((each) => (each - begun) / 1_000)).toEqual([60, 61, 62, 662, 1_262]);
    expect(asked.slice(0, 2)).toEqual([
      { before: 70 * DAY_MS + 60_000, limit: 500 },
      { messagesBefore: 93 * DAY_MS + 60_000 },
    ]);
    await sweep.stop();
    await pass(25 * 60_000, 60_000);
    expect(at).toHaveLength(5);
  });

  it("stays for ten minutes more if the database is away", async () => {
    const { sweep, at, lines, pass } = swept([new Error("away")]);
    sweep.start();
    await pass(12 * 60_000, 1_000);
    expect(at).toHaveLength(2);
    expect(lines).toEqual(["old webhook deliveries and messages could not be deleted; it is tried again"]);
    await sweep.stop();
  });

  it("of messages goes although none comes any more, and nobody listens", async () => {
    const lab = openLab();
    const quiet = workflow({ name: "quiet" }, async () => null);
    const engine = await lab.engine({ workflows: [quiet] });
    await engine.publish("news", 1, { id: "m" });
    await lab.pass(2_000);
    lab.clock.advance(7 * DAY_MS);
    await lab.pass(11 * 60_000, 60_000);
    expect((await engine.messages()).messages).toEqual([]);
    await engine.close();
  });

  it("goes after an isolate's tick that had work, and costs an idle one nothing", async () => {
    const lab = openLab();
    const sweeps: number[] = [];
    const prune = lab.store.pruneDeliveries.bind(lab.store);
    lab.store.pruneDeliveries = async (request) => {
      sweeps.push(lab.clock.now());
      return await prune(request);
    };
    const quiet = workflow({ name: "quiet" }, async () => null);
    const engine = await lab.engine({ workflows: [quiet], worker: false });
    const tick = async () => {
      const ticked = engine.tick({ budgetMs: 1_000 });
      await lab.pass(500);
      await ticked;
    };
    await tick();
    expect(sweeps).toHaveLength(0);
    await engine.start(quiet, undefined);
    await tick();
    expect(sweeps).toHaveLength(1);
    await engine.close();
  });
});
