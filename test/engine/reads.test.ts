import { type Ctx, type RunEvent, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { listRuns } from "../../src/engine/run-list.ts";

import type { RunFilter, RunWindow } from "../../src/log/port-lists.ts";
import { openLab } from "../support/lab.ts";

const flow = (code: (ctx: Ctx, input: unknown) => Promise<unknown>, name = "flow") => workflow({ name }, code);
const oneStep = flow(async (ctx, input) => ctx.step("only", () => input));

/** Takes so many events of a tail, and leaves it. */
async function take(events: AsyncIterable<RunEvent>, count: number): Promise<RunEvent[]> {
  const taken: RunEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

describe("list", () => {
  it("pages through all runs, newest first, without a gap or a repeat", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [oneStep] });
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.unshift((await engine.start("flow", i)).id);
    const listed: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await engine.list({ limit: 3, ...(cursor === null ? {} : { cursor }) });
      listed.push(...page.runs.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor !== null);
    expect(listed).toEqual(ids);
  });

  it("filters by workflow, status, tags, idempotency key and time of creation, all at once", async () => {
    const lab = openLab();
    const failing = flow(async () => {
      throw new Error("no");
    }, "failing");
    const engine = await lab.engine({ workflows: [oneStep, failing] });
    const tagged = await engine.start("flow", 1, { tags: { team: "a", place: "x" }, idempotencyKey: "k" });
    const other = await engine.start("flow", 2, { tags: { team: "b" } });
    const failed = await engine.start("failing");
    await lab.settle();
    lab.clock.advance(1_000);
    const asleep = await engine.start("flow", 3, { delay: "1h" });
    const ids = async (options: Parameters<typeof engine.list>[0]) =>
      (await engine.list(options)).runs.map(({ id }) => id);

    expect(await ids({ workflow: "failing" })).toEqual([failed.id]);
    expect(await ids({ status: "failed" })).toEqual([failed.id]);
    expect(await ids({ status: ["pending", "failed"] })).toEqual([asleep.id, failed.id]);
    expect(await ids({ tags: { team: "a" } })).toEqual([tagged.id]);
    expect(await ids({ tags: { team: "a", place: "y" } })).toEqual([]);
    expect(await ids({ workflow: "flow", idempotencyKey: "k" })).toEqual([tagged.id]);
    const { createdAt } = await asleep.status();
    expect(await ids({ createdFrom: createdAt })).toEqual([asleep.id]);
    expect(await ids({ createdBefore: new Date(createdAt), workflow: "flow" })).toEqual([other.id, tagged.id]);
  });

  it("goes on over windows that hold nothing, and may end short with a cursor", async () => {
    const pages: { before: string | null; window: RunWindow | undefined }[] = [];
    let looked = 0;
    const store = {
      runWindow: async () => {
        looked++;
        return { by: "all", from: `w${String(99 - looked).padStart(2, "0")}` } as const;
      },
      listRuns: async (_: RunFilter, { before, window }: { before: string | null; window?: RunWindow }) => {
        pages.push({ before, window });
        return [];
      },
    };
    const first = await listRuns({ store, drain: setImmediate }, { tags: { a: "b" } }, { before: null, limit: 5 });
    expect(first).toEqual({ rows: [], cursor: "w79" });
    expect(pages.map(({ before }) => before).slice(0, 3)).toEqual([null, "w98", "w97"]);
    expect([pages.length, looked]).toEqual([20, 20]);
    // What one index gives in order needs no window.
    await listRuns({ store, drain: setImmediate }, { workflow: "flow" }, { before: null, limit: 5 });
    expect([pages.length, looked]).toEqual([21, 20]);
  });

  it("refuses a limit, a status and a cursor that make no sense", async () => {
    const engine = await openLab().engine({ workflows: [oneStep] });
    for (const limit of [0, 501, 1.5, Number.NaN]) {
      await expect(engine.list({ limit })).rejects.toMatchObject({ code: "LIMIT_INVALID" });
    }
    await expect(engine.list({ status: "done" as "failed" })).rejects.toMatchObject({ code: "STATUS_INVALID" });
    await expect(engine.list({ cursor: "run_\u0000" })).rejects.toMatchObject({ code: "NAME_INVALID" });
  });
});

describe("a run's status", () => {
  it("tells what it came to, decoded", async () => {
    const lab = openLab();
    const failing = flow(async () => {
      throw new RangeError("too far");
    }, "failing");
    const engine = await lab.engine({ workflows: [oneStep, failing] });
    const done = await engine.start("flow", new Map([["a", new Date(5)]]), { tags: { a: "b" } });
    const failed = await engine.start("failing");
    await lab.settle();
    expect(await done.status()).toMatchObject({
      status: "completed",
      workflow: "flow",
      version: "1",
      tags: { a: "b" },
      output: new Map([["a", new Date(5)]]),
      error: undefined,
      worker: null,
      events: 4,
    });
    expect((await failed.status()).error).toMatchObject({ name: "RangeError", message: "too far" });
  });

  it("of a run that does not exist is a typed error", async () => {
    const engine = await openLab().engine({ workflows: [] });
    const run = engine.run("run_nobody");
    await expect(run.status()).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
    await expect(run.result()).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
    expect(await run.history()).toEqual([]);
  });
});

describe("history", () => {
  it("is read from a seq on, and no further than asked", async () => {
    const lab = openLab();
    const engine = await lab.engine({
      workflows: [
        flow(async (ctx) => {
          for (let i = 0; i < 600; i++) await ctx.step("s", () => i);
        }),
      ],
    });
    const run = await engine.start("flow");
    await run.result();
    const all = await run.history();
    expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: 1_202 }, (_, i) => i + 1));
    expect(await run.history({ afterSeq: 1_100, limit: 3 })).toEqual(all.slice(1_100, 1_103));
    expect(await engine.history(run.id, { limit: 700 })).toEqual(all.slice(0, 700));
  });
});

describe("tail", () => {
  it("gives the log from a position on, and then what is new, of all runs", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [oneStep] });
    await (await engine.start("flow", 1)).result();
    const after = await engine.lastPosition();
    const taking = take(engine.tail({ after }), 8);
    await lab.settle();
    const second = await engine.start("flow", 2);
    await second.result();
    const third = await engine.start("flow", 3);
    const events = await taking;
    expect(events.map(({ runId }) => runId)).toEqual([
      ...Array.from({ length: 4 }, () => second.id),
      ...Array.from({ length: 4 }, () => third.id),
    ]);
    expect(events.map(({ position }) => position)).toEqual(Array.from({ length: 8 }, (_, i) => after + 1 + i));
  });

  it("of one run reads that run only, from any position", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [oneStep] });
    const runs = [await engine.start("flow", 1), await engine.start("flow", 2)];
    for (const run of runs) await run.result();
    const [, second] = runs;
    const all = await take(engine.tail({ runId: second?.id ?? "" }), 4);
    expect(all).toEqual(await second?.history());
    const rest = await take(engine.tail({ runId: second?.id ?? "", after: all[1]?.position ?? 0 }), 2);
    expect(rest).toEqual(all.slice(2));
  });

  it("sees what another process writes", async () => {
    const lab = openLab();
    const reader = await lab.engine({ workflows: [oneStep], worker: false });
    const taking = take(reader.tail(), 4);
    await lab.settle();
    const writer = await lab.engine({ workflows: [oneStep] });
    const run = await writer.start("flow", 1);
    await lab.pass(1_000);
    expect((await taking).map(({ type }) => type)).toEqual((await run.history()).map(({ type }) => type));
  });

  it("ends with its signal, and with the engine", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [oneStep] });
    const controller = new AbortController();
    const bySignal = take(engine.tail({ signal: controller.signal }), 1);
    const byEngine = take(engine.tail(), 1);
    await lab.settle();
    controller.abort();
    expect(await bySignal).toEqual([]);
    await engine.close();
    expect(await byEngine).toEqual([]);
    expect(() => engine.tail()).toThrow(expect.objectContaining({ code: "ENGINE_CLOSED" }));
  });
});

describe("on", () => {
  it("tells of each event once it is durable, by type and all together", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [oneStep] });
    const seen: string[] = [];
    engine.on("event", ({ runId, type, seq }) => {
      // What a listener hears of is in the log already.
      void lab.store.readHistory(runId, { afterSeq: seq - 1, limit: 1 }).then(([row]) => seen.push(`${row?.type}`));
      seen.push(`heard ${type}`);
    });
    const completed: unknown[] = [];
    const off = engine.on("step.completed", ({ key, data }) => completed.push([key, data.value]));
    await (await engine.start("flow", "a")).result();
    off();
    await (await engine.start("flow", "b")).result();
    await lab.settle();
    expect(completed).toEqual([["only", "a"]]);
    const types = ["run.created", "attempt.started", "step.completed", "run.completed"];
    const twice = [...types, ...types].sort();
    expect(seen.filter((text) => text.startsWith("heard ")).sort()).toEqual(twice.map((type) => `heard ${type}`));
    expect(seen.filter((text) => !text.startsWith("heard ")).sort()).toEqual(twice);
  });

  it("is not hurt by a listener that throws", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [oneStep] });
    engine.on("run.created", () => {
      throw new Error("listener");
    });
    expect(await (await engine.start("flow", 1)).result()).toBe(1);
    expect(engine.lines.map(({ level, message }) => [level, message])).toEqual([
      ["error", 'a listener to "run.created" threw'],
    ]);
  });
});
