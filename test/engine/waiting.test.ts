/** Every wait, as whoever asks is told of it: by the engine, over HTTP, and in the lists. */

import { type Ctx, cel, workflow } from "varve";
import { createApp } from "varve/http";
import { describe, expect, it, vi } from "vitest";
import { OUTLOOK_EVENTS_MAX, type Outlook } from "../../src/log/port-outlook.ts";
import type { AnyWorkflow } from "../support/examples.ts";
import { openLab } from "../support/lab.ts";

type Code = (ctx: Ctx, input: number) => Promise<unknown>;

interface Wait {
  readonly kind: string;
  readonly code: Code;
  /** The workflow's rules, and what the engine is made with. */
  readonly rules?: object;
  readonly setup?: object;
  /** How many runs are started; the last one waits. */
  readonly runs?: number;
  readonly others?: readonly AnyWorkflow[];
  readonly name: string | null;
  /** What a list says in place of it. */
  readonly inList?: string;
  readonly pause?: true;
}

const child = workflow({ name: "child" }, (ctx) => ctx.sleep("nap", "1h"));
const nap: Code = (ctx) => ctx.sleep("nap", "1h");
const busy = { attempts: 9, initial: "1m", jitter: "none" } as const;
const failing = () => Promise.reject(new Error("busy"));

const WAITS: readonly Wait[] = [
  { kind: "timer", code: nap, name: null },
  { kind: "signal", code: (ctx) => ctx.waitFor("approval"), name: "approval" },
  {
    kind: "message",
    code: (ctx) => ctx.waitForMessage("parcels.scanned", { match: cel("message.payload == run.input") }),
    name: "parcels.scanned",
  },
  { kind: "child", code: (ctx) => ctx.child(child, undefined), others: [child as AnyWorkflow], name: null },
  { kind: "retry", code: (ctx) => ctx.step("ask", failing, { retry: busy }), name: null },
  {
    kind: "breaker",
    code: (ctx) => ctx.step("ask", failing, { retry: busy, breaker: { name: "bank", failures: 1, resetAfter: "10m" } }),
    name: "bank",
    inList: "retry",
  },
  { kind: "step", code: (ctx) => ctx.step("ask", () => new Promise<never>(() => {})), name: null },
  { kind: "lock", code: (ctx) => ctx.lock("door", {}, (held) => held.sleep("stay", "1h")), runs: 2, name: "door" },
  { kind: "slot", code: nap, rules: { maxActiveRuns: 1 }, runs: 2, name: "workflow/flow" },
  {
    kind: "slot",
    code: (ctx) => ctx.step("print", () => new Promise<never>(() => {}), { queue: "printers" }),
    setup: { queues: { printers: { concurrency: 1 } } },
    runs: 2,
    name: "queue/printers",
  },
  { kind: "rate", code: nap, rules: { throttle: { limit: 1, period: "1h" } }, runs: 2, name: null },
  { kind: "pause", code: nap, pause: true, name: null },
  { kind: "worker", code: nap, setup: { worker: false }, name: null },
];

/** Lets a run of such a workflow come to rest, and says what everybody is told. */
async function told({ code, rules = {}, setup = {}, runs = 1, others = [], pause }: Wait) {
  const lab = openLab();
  const engine = await lab.engine({
    workflows: [workflow({ name: "flow", ...rules }, code) as AnyWorkflow, ...others],
    ...setup,
  });
  for (let i = 1; i < runs; i++) await engine.start("flow", i);
  const run = await engine.start("flow", 9);
  await lab.pass(1_000);
  if (pause) await run.pause({ reason: "audit" });
  await lab.pass(1_000);
  const { token } = await engine.keys.create({ name: "reader", scopes: ["runs:read"] });
  const app = createApp(engine);
  const get = async (path: string) => {
    const request = new Request(`http://varve.example/api/v1${path}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return (await (await app.fetch(request)).json()) as { runs: object[] } & Record<string, unknown>;
  };
  return {
    why: await run.why(),
    whyOverHttp: await get(`/runs/${run.id}/why`),
    status: await run.status(),
    list: await engine.list({ workflow: "flow", limit: 1 }),
    listOverHttp: await get("/runs?workflow=flow&limit=1"),
  };
}

describe("a wait is told by engine, HTTP and lists", () => {
  for (const wait of WAITS) {
    it(`${wait.kind}${wait.name === null ? "" : ` ${wait.name}`}`, async () => {
      const { why, whyOverHttp, status, list, listOverHttp } = await told(wait);
      const [first] = why.waitsFor;
      expect(first).toMatchObject({ kind: wait.kind, text: expect.any(String), hint: expect.stringMatching(/\w/) });
      if (wait.name !== null) expect(first?.name).toBe(wait.name);
      expect(first?.since).not.toBeUndefined();
      expect(whyOverHttp["waitsFor"]).toEqual(why.waitsFor);
      const short = {
        kind: wait.inList ?? wait.kind,
        since: wait.inList === undefined ? first?.since : expect.any(Number),
      };
      expect(status.waitingFor).toMatchObject(short);
      expect(list.runs[0]?.waitingFor).toEqual(status.waitingFor);
      expect(listOverHttp.runs).toMatchObject([{ waitingFor: status.waitingFor }]);
      if (wait.inList === undefined) expect(status.waitingFor?.name ?? null).toBe(first?.name ?? first?.key ?? null);
    });
  }

  it("a version that no worker has", async () => {
    const lab = openLab();
    const starter = await lab.engine({ workflows: [workflow({ name: "flow", version: "2" }, nap)], worker: false });
    const run = await starter.start("flow", 1);
    await lab.engine({ workflows: [workflow({ name: "flow" }, nap)] });
    await lab.pass(500);
    expect((await run.status()).waitingFor).toEqual({ kind: "version", name: "flow@2", since: expect.any(Number) });
  });

  it("a run that is stuck, and one that is over waits for nothing", async () => {
    const lab = openLab();
    const first = await lab.engine({ workflows: [workflow({ name: "flow" }, (ctx: Ctx) => ctx.sleep("nap", "10s"))] });
    const run = await first.start("flow", 1);
    await lab.pass(1_000);
    first.kill();
    const second = await lab.engine({
      workflows: [workflow({ name: "flow" }, (ctx: Ctx) => ctx.step("nap", () => 1))],
    });
    await lab.pass(30_000);
    expect((await second.run(run.id).status()).waitingFor).toMatchObject({ kind: "stuck", name: "REPLAY_DIVERGED" });
    await second.run(run.id).terminate();
    await lab.pass(1_000);
    expect(await second.run(run.id).status()).toMatchObject({ status: "cancelled", waitingFor: null });
    const outlook = vi.spyOn(lab.store, "readOutlook");
    expect((await second.list()).runs).toMatchObject([{ status: "cancelled", waitingFor: null }]);
    expect(outlook.mock.calls.flatMap(([asked]) => asked)).toEqual([]);
  });

  it("is told of what comes after signals that are long there, taken or not", async () => {
    const lab = openLab();
    const code = async (ctx: Ctx) => {
      await ctx.waitFor("go");
      await ctx.step("s", () => "x".repeat(1_000));
      await ctx.waitFor("approval");
    };
    const engine = await lab.engine({ workflows: [workflow({ name: "flow" }, code)] });
    const run = await engine.start("flow", 1);
    await lab.pass(500);
    for (let n = 0; n < 9; n++) await run.signal("other", { n });
    await run.signal("go", { by: "x".repeat(1_000) });
    await lab.pass(500);
    for (let n = 0; n < 9; n++) await run.signal("other", { n });
    await lab.pass(500);
    const { waitingFor } = await run.status();
    expect(waitingFor).toMatchObject({ kind: "signal", name: "approval" });
    expect((await engine.list()).runs[0]?.waitingFor).toEqual(waitingFor);
    expect((await run.why()).waitsFor[0]).toMatchObject({ kind: "signal", name: "approval" });
  });

  it("is told of a run whose other events are damaged as nothing, and of its neighbours as it is", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [workflow({ name: "flow" }, nap)] });
    const [bad, good] = [await engine.start("flow", 1), await engine.start("flow", 2)];
    await lab.pass(500);
    const read = lab.store.readOutlook.bind(lab.store);
    vi.spyOn(lab.store, "readOutlook").mockImplementation(async (asked) => {
      const outlook = await read(asked);
      const events = outlook.events.map((event) =>
        event.runId === bad.id && event.type === "timer.armed" ? { ...event, data: "{" } : event,
      );
      return { ...outlook, events };
    });
    const { runs } = await engine.list();
    expect(new Map(runs.map(({ id, waitingFor }) => [id, waitingFor?.kind ?? null]))).toEqual(
      new Map([
        [bad.id, null],
        [good.id, "timer"],
      ]),
    );
  });

  it("says since when a breaker is open, when it lets somebody try, and what becomes of the attempt", async () => {
    const { why } = await told(WAITS.find(({ kind }) => kind === "breaker") as Wait);
    const [{ since, until, text, hint, key } = {}] = why.waitsFor;
    expect((until as number) - (since as number)).toBe(600_000);
    expect(key).toBe("ask");
    expect(text).toMatch(
      /"ask" is tried again in \d+ ms, and the breaker "bank" is open: it lets somebody try in \d+ ms/,
    );
    expect(hint).toContain("BREAKER_OPEN");
  });

  it("costs a list of many runs three reads, however long their histories are", async () => {
    const lab = openLab();
    const many = workflow({ name: "flow" }, async (ctx: Ctx) => {
      for (let i = 0; i < 60; i++) await ctx.step("s", () => "x".repeat(1_000));
      await ctx.waitFor("approval");
    });
    const engine = await lab.engine({ workflows: [many] });
    for (let i = 0; i < 20; i++) await engine.start(many, undefined);
    await lab.pass(2_000, 100);
    const outlook = vi.spyOn(lab.store, "readOutlook");
    const single = [vi.spyOn(lab.store, "readHistory"), vi.spyOn(lab.store, "getRun")];
    const { runs } = await engine.list();
    expect(runs.map(({ waitingFor }) => waitingFor?.name)).toEqual(Array(20).fill("approval"));
    expect(outlook).toHaveBeenCalledTimes(1);
    for (const read of single) expect(read).not.toHaveBeenCalled();
    const answer: Promise<Outlook> = outlook.mock.results.map(({ value }) => value)[0];
    const { events } = await answer;
    expect(events).toHaveLength(20 * OUTLOOK_EVENTS_MAX);
  });
});
