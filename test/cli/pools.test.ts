/** `varve serve --queues`: a server that works on some queues alone. */
import { describe, expect, it } from "vitest";
import { json, jsonError, place } from "./varve.ts";

const MODULE = `
import { workflow } from "varve";
export const queues = { heavy: { concurrency: 2 } };
export const render = workflow({ name: "render", queue: "heavy" }, async (ctx) => ctx.step("work", () => "rendered"));
export const plain = workflow({ name: "plain" }, async (ctx) => ctx.step("work", () => "done"));
`;

describe("varve serve --queues", () => {
  it("works on runs of these queues alone, which queues list and runs why say", async () => {
    const here = place();
    here.write("workflows/both.ts", MODULE);
    await here.serve(["--queues", "default"]);
    expect((await here.varve(["run", "plain", "--wait"])).code).toBe(0);
    const id = String(json(await here.varve(["run", "render", "--json"])).id);
    expect((await here.varve(["queues", "list"])).stdout).toBe("heavy\t2\topen\t1\t0\t0\t0\t0\n");
    expect(json(await here.varve(["runs", "why", id, "--json"]))).toMatchObject({
      waitsFor: [{ kind: "worker", name: "queue/heavy", text: 'no worker serves the queue "heavy"' }],
    });
  });

  it("refuses a queue that no module knows", async () => {
    const here = place();
    here.write("workflows/both.ts", MODULE);
    const refused = await here.varve(["serve", "--port", "0", "--queues", "default,hevy", "--json"]);
    expect(refused.code).toBe(2);
    expect(jsonError(refused)).toMatchObject({ code: "QUEUE_UNKNOWN", message: expect.stringContaining('"hevy"') });
  });
});
