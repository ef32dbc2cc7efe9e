/** `varve queues`: told to a server, and to a file that nobody owns. */
import { describe, expect, it } from "vitest";
import type { QueueInfo } from "../../src/engine/api-queues.ts";
import { json, jsonError, type Place, place } from "./varve.ts";

const LABELS = `
import { workflow } from "varve";

export const queues = { heavy: { concurrency: 1 }, printers: { concurrency: 2 } };

export const label = workflow({ name: "label", queue: "heavy" }, (ctx) =>
  ctx.step("print", () => "label", { queue: "printers" }),
);
`;

const NONE = { held: 0, waiting: 0 };

function withLabels(): Place {
  const here = place();
  here.write("workflows/label.ts", LABELS);
  return here;
}

describe("a server", () => {
  it("shows its queues, holds them back, lets them go on and resizes them; runs say what they wait for", async () => {
    const here = withLabels();
    await here.serve();
    const list = async () => json<{ queues: QueueInfo[] }>(await here.varve(["queues", "list", "--json"])).queues;
    const heavy = { name: "heavy", concurrency: 1, defined: 1, paused: false, ...NONE, steps: NONE, workers: 1 };
    const printers = { ...heavy, name: "printers", concurrency: 2, defined: 2 };
    expect(await list()).toEqual([heavy, printers]);
    expect((await here.varve(["queues", "pause", "printers"])).stdout).toContain("printers\t2\tpaused\t0\t0\t1\t0\t0");
    const run = (await here.varve(["run", "label"])).stdout.trim();
    await expect
      .poll(async () => (await here.varve(["runs", "why", run])).stdout, { timeout: 20_000, interval: 200 })
      .toContain("waits for a slot of queue/printers, which is paused");
    expect(await list()).toEqual([heavy, { ...printers, paused: true, steps: { held: 0, waiting: 1 } }]);
    const resumed = json<QueueInfo>(await here.varve(["queues", "resume", "printers", "--json"]));
    expect(resumed).toMatchObject({ name: "printers", paused: false });
    expect((await here.varve(["runs", "watch", run])).code).toBe(0);
    const resized = json<QueueInfo>(await here.varve(["queues", "set", "heavy", "-c", "9", "--json"]));
    expect(resized).toEqual({ ...heavy, concurrency: 9 });
    expect((await here.varve(["queues", "list"])).stdout).toContain("heavy\t9\topen");
    expect(json<QueueInfo>(await here.varve(["queues", "set", "heavy", "--reset", "--json"]))).toEqual(heavy);
  }, 120_000);
});

describe("a file", () => {
  it("has its queues set without a server, whatever they are called", async () => {
    const here = place();
    expect((await here.varve(["db", "migrate"])).code).toBe(0);
    expect((await here.varve(["queues", "list"])).stdout).toBe("");
    const paused = json<QueueInfo>(await here.varve(["queues", "pause", "a/b", "--json"]));
    expect(paused).toMatchObject({ name: "a/b", concurrency: null, defined: null, paused: true });
    await here.varve(["queues", "set", "a/b", "--concurrency", "3"]);
    expect((await here.varve(["queues", "list"])).stdout).toContain("a/b\t3\tpaused\t0\t0\t0\t0");
    await here.varve(["queues", "set", "a/b", "--reset"]);
    await here.varve(["queues", "resume", "a/b"]);
    expect(json(await here.varve(["queues", "list", "--json"]))).toEqual({ queues: [] });
  }, 120_000);

  it.each([
    [["set", "q"], "OPTIONS_CONFLICT"],
    [["set", "q", "-c", "2", "--reset"], "OPTIONS_CONFLICT"],
    [["pause", ""], "NAME_INVALID"],
  ])(
    "refuses %j",
    async (args, code) => {
      const here = place();
      expect((await here.varve(["db", "migrate"])).code).toBe(0);
      const wrong = await here.varve(["queues", ...args, "--json"]);
      expect([wrong.code, jsonError(wrong).code]).toEqual([2, code]);
    },
    60_000,
  );

  it.each([
    [["set", "q", "-c", "0"], "10000"],
    [["set", "q", "-c", "many"], "many"],
    [["set"], "queue"],
    [["stop", "q"], "stop"],
  ])(
    "does not understand %j",
    async (args, text) => {
      const wrong = await place().varve(["queues", ...args]);
      expect(wrong.code).toBe(2);
      expect(wrong.stderr).toContain(text);
    },
    60_000,
  );
});
