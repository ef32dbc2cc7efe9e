/** Workers that serve some queues only: who takes which run, and what is said of a run that nobody takes. */
import { workflow } from "varve";
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/engine/api.ts";
import { type EngineSetup, openLab } from "../support/lab.ts";

const QUEUES = { heavy: { concurrency: 2 }, mail: { concurrency: 2 } };

/** Workflows of a queue, of another, and of none. */
const WORKFLOWS: EngineSetup["workflows"] = [
  workflow({ name: "render", queue: "heavy" }, async (ctx) => ctx.step("work", () => "rendered")),
  workflow({ name: "send", queue: "mail" }, async (ctx) => ctx.step("work", () => "sent")),
  workflow({ name: "plain" }, async (ctx) => ctx.step("work", () => "done")),
];

const pool = (...queues: string[]): EngineSetup => ({ workflows: WORKFLOWS, queues: QUEUES, worker: { queues } });
const NO_WORKER: EngineSetup = { workflows: WORKFLOWS, queues: QUEUES, worker: false };

async function startAll(engine: Engine) {
  return {
    render: await engine.start("render", null),
    send: await engine.start("send", null),
    plain: await engine.start("plain", null),
  };
}

async function thrown(promise: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  return await promise.then(
    () => expect.unreachable("it was not refused"),
    (error: Error) => error,
  );
}

describe("a worker with queues", () => {
  it("works on their runs alone, and others on the rest", async () => {
    const lab = openLab();
    const starter = await lab.engine(NO_WORKER);
    const runs = await startAll(starter);
    const statuses = async () =>
      Object.fromEntries(
        await Promise.all(
          Object.entries(runs).map(async ([name, run]) => [name, (await run.status()).status] as const),
        ),
      );
    await lab.engine(pool("heavy"));
    await lab.pass(3_000);
    expect(await statuses()).toEqual({ render: "completed", send: "pending", plain: "pending" });
    await lab.engine(pool("default"));
    await lab.pass(3_000);
    expect(await statuses()).toEqual({ render: "completed", send: "pending", plain: "completed" });
    await lab.engine(pool("mail", "heavy"));
    await lab.pass(3_000);
    expect(await statuses()).toEqual({ render: "completed", send: "completed", plain: "completed" });
  });

  it("does not claim with its start a run that it does not serve", async () => {
    const lab = openLab();
    const heavy = await lab.engine(pool("heavy"));
    const left = await heavy.start("plain", null);
    await lab.pass(3_000);
    expect(await left.status()).toMatchObject({ status: "pending", startedAt: null });
    const plain = await lab.engine(pool("default"));
    await lab.pass(3_000);
    expect((await left.status()).status).toBe("completed");
    const taken = await plain.start("plain", null);
    const [created] = await plain.history(taken.id, { limit: 1 });
    expect(created?.data).toMatchObject({ worker: expect.any(String) });
  });

  it("goes on with a child, a retry and a woken run by their queues", async () => {
    const lab = openLab();
    const child = workflow({ name: "child", queue: "heavy" }, async (ctx) => ctx.step("work", () => ctx.run.id));
    const parent = workflow({ name: "parent" }, async (ctx) => ctx.child(child, null));
    const setup = { workflows: [child, parent], queues: QUEUES };
    const plain = await lab.engine({ ...setup, worker: { queues: ["default"] } });
    const run = await plain.start(parent, null);
    await lab.pass(3_000);
    const [row] = await lab.rows("child");
    expect(row).toMatchObject({ status: "pending" });
    await lab.engine({ ...setup, worker: { queues: ["heavy"] } });
    await lab.pass(3_000);
    expect(await run.status()).toMatchObject({ status: "completed" });
  });

  it("shares a process with one of another pool", async () => {
    const lab = openLab();
    const engine = await lab.engine(NO_WORKER);
    await engine.work({ queues: ["heavy"], label: "one" });
    await engine.work({ queues: ["default", "mail"], label: "two" });
    const runs = await startAll(engine);
    await lab.pass(3_000);
    const workerOf = async (runId: string) =>
      (await engine.history(runId)).flatMap(({ type, data }) =>
        type === "run.claimed" || type === "run.created" ? [(data as { worker?: string }).worker ?? ""] : [],
      );
    expect((await workerOf(runs.render.id)).at(-1)).toMatch(/^one\//);
    expect((await workerOf(runs.send.id)).at(-1)).toMatch(/^two\//);
    expect(await workerOf(runs.plain.id)).toEqual([expect.stringMatching(/^two\//)]);
  });

  it("is refused with names that are not queues of its engine, and with what is no list", async () => {
    const lab = openLab();
    const engine = await lab.engine(NO_WORKER);
    const refusal = async (queues: unknown) => {
      const error = await thrown(engine.work({ queues: queues as readonly string[] }));
      const ofTick = await thrown(engine.tick({ budgetMs: 100, queues: queues as readonly string[] }));
      expect(ofTick.code).toBe(error.code);
      return { code: error.code, message: error.message };
    };
    expect(await refusal(["hevy"])).toEqual({
      code: "QUEUE_UNKNOWN",
      message:
        'expected worker.queues to name queues of createEngine({ queues }), or "default" for runs without one, but found "hevy"; there are: "default", "heavy", "mail"',
    });
    expect(await refusal([])).toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining("1 to 100") });
    expect(await refusal("heavy")).toMatchObject({ code: "OPTION_INVALID" });
    expect(await refusal(["heavy", "heavy"])).toMatchObject({ code: "OPTION_INVALID" });
    expect(await refusal(null)).toMatchObject({ code: "OPTION_INVALID" });
    expect(await refusal([""])).toMatchObject({
      code: "NAME_INVALID",
      message: expect.stringContaining("worker.queues[0]"),
    });
  });
});

describe("a tick with queues", () => {
  it("does what is due of them, and says when the next of them is", async () => {
    const lab = openLab();
    const engine = await lab.engine(NO_WORKER);
    const { render, plain } = await startAll(engine);
    await engine.start("plain", null, { delay: "1h" });
    const tick = async (queues: readonly string[]) => {
      const ticking = engine.tick({ budgetMs: 2_000, queues });
      await lab.pass(4_000);
      return await ticking;
    };
    const dueAt = (await lab.rows("plain"))[0]?.availableAt;
    expect(await tick(["heavy"])).toEqual({ more: false, nextAt: null });
    expect([(await render.status()).status, (await plain.status()).status]).toEqual(["completed", "pending"]);
    expect(await tick(["default"])).toEqual({ more: false, nextAt: dueAt });
    expect((await plain.status()).status).toBe("completed");
  });
});

describe("a run whose queue nobody serves", () => {
  it("says so, and what helps", async () => {
    const lab = openLab();
    const mail = await lab.engine(pool("mail"));
    const { render, plain } = await startAll(mail);
    await lab.pass(2_000);
    expect((await render.why()).waitsFor).toMatchObject([
      {
        kind: "worker",
        name: "queue/heavy",
        text: 'no worker serves the queue "heavy"',
        hint: expect.stringContaining("varve serve --queues heavy"),
      },
    ]);
    expect((await plain.why()).waitsFor).toMatchObject([
      { kind: "worker", name: "queue/default", text: expect.stringContaining("runs without a queue") },
    ]);
    await lab.engine({ workflows: [], queues: QUEUES, worker: { queues: ["heavy"] } });
    await lab.pass(500);
    expect((await render.why()).waitsFor).toMatchObject([
      { kind: "worker", text: 'no worker that has version 1 of workflow "render" serves the queue "heavy"' },
    ]);
  });

  it("says so also while it waits in line behind others", async () => {
    const lab = openLab();
    const mail = await lab.engine(pool("mail"));
    for (let i = 0; i < 2; i++) await mail.start("render", null);
    const third = await mail.start("render", null);
    await lab.pass(2_000);
    expect((await third.why()).waitsFor).toMatchObject([
      { kind: "slot", name: "queue/heavy", position: 1 },
      { kind: "worker", name: "queue/heavy" },
    ]);
  });

  it("tells a workflow that no worker has from a version that none has", async () => {
    const lab = openLab();
    const starter = await lab.engine({ workflows: [...WORKFLOWS], queues: QUEUES, worker: false });
    const run = await starter.start("plain", null);
    await lab.engine({ workflows: [workflow({ name: "other" }, async () => 1)] });
    await lab.pass(500);
    expect((await run.why()).waitsFor).toMatchObject([
      { kind: "version", name: "plain@1", text: expect.stringContaining('no worker has the workflow "plain"') },
    ]);
    await lab.engine({ workflows: [workflow({ name: "plain", version: "2" }, async () => 1)] });
    await lab.pass(500);
    expect((await run.why()).waitsFor).toMatchObject([
      { kind: "version", text: 'no worker has version 1 of workflow "plain"' },
    ]);
  });
});

describe("a line whose places nobody takes", () => {
  const limits = { heavy: { concurrency: 1 } };
  const flow = (version: string) =>
    workflow({ name: "flow", version, queue: "heavy" }, async (ctx) => ctx.step("work", () => version));

  it("lets others go first after two minutes, and the run in again when its worker comes", async () => {
    const lab = openLab();
    const starter = await lab.engine({ workflows: [flow("1")], queues: limits, worker: false });
    const old = await starter.start("flow", null);
    const engine = await lab.engine({ workflows: [flow("2")], queues: limits });
    await lab.pass(1_000);
    const next = await engine.start("flow", null);
    await lab.pass(90_000, 5_000);
    expect((await next.status()).status).toBe("pending");
    expect((await old.why()).waitsFor).toMatchObject([{ kind: "version", name: "flow@1" }]);
    await lab.pass(90_000, 5_000);
    expect((await next.status()).status).toBe("completed");
    expect((await old.why()).waitsFor).toMatchObject([
      { kind: "version", name: "flow@1" },
      { kind: "worker", name: "queue/heavy", since: expect.any(Number), until: expect.any(Number) },
    ]);
    expect(engine.lines).toMatchObject([{ level: "warn", message: expect.stringContaining("passed over") }]);
    await lab.engine({ workflows: [flow("1")], queues: limits });
    await lab.pass(2_000);
    expect(await old.status()).toMatchObject({ status: "completed" });
  });

  it("is looked at by a tick, and given back to a tick that takes it", async () => {
    const lab = openLab();
    const app = async (version: string) =>
      await lab.engine({ workflows: [flow(version)], queues: limits, worker: false });
    const [one, two] = [await app("1"), await app("2")];
    const tick = async (engine: Engine) => {
      const ticking = engine.tick({ budgetMs: 2_000 });
      await lab.pass(4_000);
      return await ticking;
    };
    const old = await one.start("flow", null);
    await lab.settle();
    await tick(two);
    const next = await two.start("flow", null);
    await tick(two);
    expect((await next.status()).status).toBe("pending");
    await lab.pass(120_000, 10_000);
    await tick(two);
    expect([(await next.status()).status, (await old.status()).status]).toEqual(["completed", "pending"]);
    await tick(one);
    expect((await old.status()).status).toBe("completed");
  });

  it("stays as it is while a worker of its pool is only busy", async () => {
    const lab = openLab();
    const long = workflow({ name: "flow", queue: "heavy" }, async (ctx) =>
      ctx.step("work", () => new Promise<void>((done) => lab.clock.timer(600_000, done))),
    );
    const engine = await lab.engine({
      workflows: [long],
      queues: { heavy: { concurrency: 2 } },
      worker: { concurrency: 1 },
    });
    // Lets runs in line while the other has no room.
    await lab.engine({ workflows: [], queues: limits });
    const runs = [];
    for (let i = 0; i < 3; i++) runs.push(await engine.start("flow", null));
    await lab.pass(400_000, 5_000);
    expect((await lab.store.listPlaces({ line: "queue/heavy", limit: 9 })).map(({ runId }) => runId)).toEqual(
      runs.map(({ id }) => id),
    );
    expect(await lab.store.getRun(runs[1]?.id ?? "")).toMatchObject({ passedAt: null, status: "pending" });
  });
});

describe("the list of queues", () => {
  it("says how many living workers serve each", async () => {
    const lab = openLab();
    const reader = await lab.engine(NO_WORKER);
    const workers = async () => (await reader.queues.list()).map(({ name, workers }) => `${name} ${workers}`);
    expect(await workers()).toEqual(["heavy 0", "mail 0"]);
    const heavy = await lab.engine(pool("heavy"));
    await lab.engine({ workflows: WORKFLOWS, queues: QUEUES });
    expect(await workers()).toEqual(["heavy 2", "mail 1"]);
    heavy.kill();
    await lab.pass(16_000);
    expect(await workers()).toEqual(["heavy 1", "mail 1"]);
    expect(await reader.queues.pause("heavy")).toMatchObject({ workers: 1 });
  });
});
