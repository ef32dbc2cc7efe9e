/** What comes to a simulation from outside: instants of schedules and messages, under every fault. */
import { cel, schedule, withEnv, workflow } from "varve";
import { type SimulatedRun, type SimulatedWorld, SimulationFailedError, simulate } from "varve/testing";
import { describe, expect, it } from "vitest";
import { OF_MESSAGES, OF_SCHEDULES } from "../../src/testing/predicates.ts";

async function failureOf(simulation: Promise<unknown>): Promise<SimulationFailedError> {
  const error = await simulation.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof SimulationFailedError) return error;
  throw error ?? new Error("expected the simulation to fail, but it passed");
}

const countOf = (instants: { readonly fired: number; readonly skipped: number } | undefined) =>
  (instants?.fired ?? 0) + (instants?.skipped ?? 0);

// ---- Schedules ----

interface Ledger {
  open(runId: string): void;
  close(): void;
}

/** Has the ledger open for a while, and takes for granted that nobody else has. */
const settle = withEnv<Ledger>().workflow({ name: "settle" }, async (ctx) => {
  await ctx.step("open", ({ env, run }) => env.open(run.id));
  await ctx.sleep("settle", "90s");
  await ctx.step("close", ({ env }) => env.close());
});

function ledgerOf() {
  let owner: string | null = null;
  const clashes: string[] = [];
  return {
    clashes,
    open(runId: string) {
      if (owner !== null && owner !== runId) clashes.push(`${runId} finds the ledger open`);
      owner = runId;
    },
    close() {
      owner = null;
    },
  };
}

const settling = (overlap: "skip" | "queue-all" | "allow") => {
  const every = schedule({ id: "settling", workflow: settle, every: "1m", overlap });
  return {
    schedules: [every],
    lasts: "5m",
    setup: () => {
      const ledger = ledgerOf();
      return { env: ledger, checkAll: () => expect(ledger.clashes).toEqual([]) };
    },
  };
};

describe("a simulation with schedules", () => {
  it("decides each instant once, through every fault, and says how", async () => {
    const report = await simulate(settle, { seeds: 25, ...settling("skip") });
    expect(countOf(report.schedules["settling"])).toBeGreaterThan(25 * 4);
    expect(countOf(report.schedules["settling"])).toBeLessThanOrEqual(25 * 5);
    expect(report.schedules["settling"]?.skipped).toBeGreaterThan(25);
    expect(report.runs).toEqual({ completed: report.schedules["settling"]?.fired, failed: 0, cancelled: 0 });
    for (const name of OF_SCHEDULES) expect([name, (report.looks[name] ?? 0) > 25]).toEqual([name, true]);
    for (const [fault, count] of Object.entries(report.faults)) expect(count, fault).toBeGreaterThan(0);
  });

  it("lets each run wait for the one before, if the schedule says so", async () => {
    const report = await simulate(settle, { seeds: 8, ...settling("queue-all") });
    expect(report.schedules["settling"]?.skipped).toBe(0);
  });

  it("finds a workflow that takes for granted that it runs alone, and tells why", async () => {
    const error = await failureOf(simulate(settle, settling("allow")));
    expect(error.message).toContain("checkAll threw AssertionError");
    expect(error.message).toContain("It fails without any fault.");
    expect(error.message).toMatch(/schedule settling: 2026-01-01T00:01:00Z is fired, starts run 1/);
    expect(error.message).toMatch(/schedule settling: 2026-01-01T00:02:00Z is fired, starts run 2/);
    expect(error.message).toMatch(/run 2: open, attempt 1: the body begins/);
  });

  it("passes a month in a moment, with a run of somebody else beside it", async () => {
    const nightly = workflow({ name: "nightly" }, async (ctx, what: string) =>
      ctx.step("write", () => `${what} of ${ctx.run.trigger?.id}`),
    );
    const long = workflow({ name: "long" }, async (ctx) => ctx.sleep("a while", "10d"));
    const report = await simulate(long, {
      seeds: 5,
      workflows: [nightly],
      schedules: [schedule({ id: "nightly", workflow: nightly, input: "report", cron: "0 3 * * *" })],
      lasts: "30d",
      setup: () => ({
        input: undefined,
        check: ({ workflow: name }) => expect(name).toBe("long"),
        checkAll: (runs) => {
          const days = runs.filter(({ workflow: name }) => name === "nightly").map(({ output }) => output);
          expect(days).toHaveLength(30);
          expect(new Set(days).size).toBe(30);
          expect(days).toContain("report of 2026-01-30T03:00:00.000Z");
        },
      }),
    });
    expect(report.schedules).toEqual({ nightly: { fired: 150, skipped: 0 } });
    expect(report.virtualMs).toBeGreaterThan(5 * 29 * 86_400_000);
  });

  it("comes to the same with the same seeds", async () => {
    const run = (from: number) => simulate(settle, { seeds: { from, count: 6 }, ...settling("skip") });
    const report = await run(1);
    expect(await run(1)).toEqual(report);
    expect((await run(7)).fingerprint).not.toBe(report.fingerprint);
  });
});

// ---- Messages ----

/** Ships what is paid. */
const shipPaid = withEnv<{ ship(order: string): Promise<string> }>().workflow(
  { name: "ship-paid", on: [{ topic: "orders.paid" }] },
  async (ctx, order: string) => ctx.step("ship", ({ env }) => env.ship(order)),
);

const shop = (sim: SimulatedWorld) => ({
  async ship(order: string) {
    await sim.wait(20 + sim.random() * 80);
    return order;
  },
});

describe("a simulation with messages", () => {
  it("has each start one run, whatever is lost and repeated", async () => {
    const report = await simulate(shipPaid, {
      seeds: 30,
      setup: (sim) => ({
        env: shop(sim),
        publish: [1, 2, 3].map((n) => ({ topic: "orders.paid", payload: `o-${n}`, id: `o-${n}` })),
        check: ({ status }) => expect(status).toBe("completed"),
        checkAll: (runs) => expect(runs.map(({ output }) => output).sort()).toEqual(["o-1", "o-2", "o-3"]),
      }),
    });
    expect(report.messages).toEqual({ published: 90, started: 90 });
    expect(report.runs).toEqual({ completed: 90, failed: 0, cancelled: 0 });
    expect(report.looks["message-dispatched-once"]).toBeGreaterThan(90);
    for (const [fault, count] of Object.entries(report.faults)) expect(count, fault).toBeGreaterThan(0);
  });

  it("finds a message without an id that is published twice, by the one answer that was lost", async () => {
    const error = await failureOf(
      simulate(shipPaid, {
        seeds: 500,
        setup: (sim) => ({
          env: shop(sim),
          publish: [{ topic: "orders.paid", payload: "o-1" }],
          checkAll: (runs) => expect(runs).toHaveLength(1),
        }),
      }),
    );
    expect(error.message).toContain("It takes 1 fault");
    expect(error.faults[0]?.what).toMatch(/publish|dies/);
    expect(error.message.match(/message \d on orders\.paid is published/g)).toHaveLength(2);
    expect(error.message).toMatch(/starts run 2 by ship-paid/);
  });
});

/** Waits for what may come too late, or has come before: it takes silence for a yes. */
const confirm = workflow({ name: "confirm" }, async (ctx, _: string) => {
  const answer = await ctx.waitForMessage("answers", { timeout: "20s" });
  return answer === null || answer.payload === "yes";
});

describe("a message that is late, early or just in time", () => {
  const answers = (after?: string) => ({
    seeds: 20,
    setup: () => ({
      input: "o-1",
      publish: [{ topic: "answers", payload: "no", ...(after === undefined ? {} : { after }) }],
      check: ({ output }: SimulatedRun<boolean>) => expect(output).toBe(false),
    }),
  });

  it("shows what a workflow does without it", async () => {
    const error = await failureOf(simulate(confirm, { ...answers(), faults: [] }));
    expect(error.message).toContain("It fails without any fault.");
    expect(error.message).toContain("no message came in time");
  });

  it("comes when it is said to, and then a run that waits is given it", async () => {
    const report = await simulate(confirm, { ...answers("5s"), faults: [] });
    expect(report.messages).toEqual({ published: 20, woke: 20 });
    await failureOf(simulate(confirm, { ...answers("25s"), faults: [] }));
  });

  it("fails if it never comes to a run that waits for ever, and says which", async () => {
    const patient = workflow({ name: "patient" }, async (ctx) => ctx.waitForMessage("answers", {}));
    const error = await failureOf(
      simulate(patient, { seeds: 1, setup: () => ({ input: undefined, publish: [{ topic: "others" }] }) }),
    );
    expect(error.message).toMatch(/not everything has ended \d+ s after .* nothing will move it: run 1 is waiting/);
  });
});

describe("messages that are taken together, and messages that end runs", () => {
  const batch = workflow(
    { name: "batch", on: [{ topic: "items", batch: { size: 3, timeout: "30s" } }] },
    async (_, items: unknown) => items as readonly number[],
  );
  const calm = workflow(
    { name: "calm", on: [{ topic: "items", debounce: { period: "10s", max: "2m" } }] },
    async (_, last: unknown) => last,
  );
  const follow = workflow(
    { name: "follow", on: [{ run: batch, input: ({ payload }) => payload.output as readonly number[] }] },
    async (_, items: readonly number[]) => items.length,
  );

  it("are each in one batch, and each batch is followed up once", async () => {
    const numbers = [1, 2, 3, 4, 5];
    const report = await simulate(batch, {
      seeds: 15,
      workflows: [calm, follow],
      setup: () => ({
        publish: numbers.map((n) => ({ topic: "items", payload: n, id: `${n}` })),
        checkAll: (runs) => {
          const of = (name: string) => runs.filter((run) => run.workflow === name).map(({ output }) => output);
          expect((of("batch") as number[][]).flat().sort()).toEqual(numbers);
          expect(of("calm").length).toBeGreaterThan(0);
          expect((of("follow") as number[]).reduce((sum, n) => sum + n, 0)).toBe(numbers.length);
        },
      }),
    });
    expect(report.messages).toMatchObject({ published: 75, batched: 75, debounced: 75 });
  });

  it("cancel what they mean", async () => {
    const order = workflow(
      { name: "order", cancelOn: [{ topic: "orders.cancelled", match: cel("message.payload == run.input") }] },
      async (ctx, _: string) => ctx.sleep("cool-off", "5m"),
    );
    const report = await simulate(order, {
      seeds: 30,
      setup: () => ({
        input: "o-1",
        publish: [
          { topic: "orders.cancelled", payload: "o-1", after: "1m" },
          { topic: "orders.cancelled", payload: "o-2" },
        ],
        check: ({ status }) => expect(["cancelled", "completed"]).toContain(status),
      }),
    });
    expect(report.runs.cancelled).toBeGreaterThan(25);
    expect(report.messages.cancelled).toBe(report.runs.cancelled);
    for (const name of OF_MESSAGES.slice(0, 2)) expect([name, (report.looks[name] ?? 0) > 30]).toEqual([name, true]);
  });
});

describe("what is wrong of schedules and messages is refused", () => {
  const each = schedule({ id: "each", workflow: settle, every: "1m" });
  const setup = () => ({ env: ledgerOf() });
  const publishing = (publish: unknown) => ({ setup: () => ({ env: ledgerOf(), publish }) });
  const wrong: readonly (readonly [what: string, options: object, error: object])[] = [
    ["no schedules", { schedules: "each", setup }, { code: "SIMULATION_INVALID", facts: { option: "schedules" } }],
    ["no schedule", { schedules: [{ id: "each" }], setup }, { code: "SIMULATION_INVALID" }],
    ["one that is there twice", { schedules: [each, each], lasts: "5m", setup }, { code: "OPTION_INVALID" }],
    ["no time", { schedules: [each], lasts: "soon", setup }, { code: "DURATION_INVALID" }],
    [
      "too little time",
      { schedules: [each], lasts: "30s", setup },
      { message: expect.stringContaining('schedule "each" has an instant') },
    ],
    [
      "too much time",
      { schedules: [each], lasts: "30d", setup },
      { message: expect.stringContaining("1000 instants") },
    ],
    ["no workflows", { workflows: [1], setup }, { code: "SIMULATION_INVALID", facts: { option: "workflows" } }],
    ["nothing that starts a run", { setup }, { message: expect.stringContaining("returns an input") }],
    ["no messages", publishing("all"), { code: "SIMULATION_INVALID", facts: { option: "setup" } }],
    ["no message", publishing([1]), { code: "SIMULATION_INVALID" }],
    ["too many", publishing(Array.from({ length: 1_001 }, () => ({ topic: "a" }))), { code: "SIMULATION_INVALID" }],
    [
      "a moment after the end",
      publishing([{ topic: "a", after: "2h" }]),
      { message: expect.stringContaining('found "2h"') },
    ],
    ["a topic", publishing([{ topic: "a b" }]), { code: "TOPIC_INVALID" }],
    ["an id", publishing([{ topic: "a", id: "" }]), { code: "NAME_INVALID" }],
    ["a payload", publishing([{ topic: "a", payload: () => 1 }]), { code: "PAYLOAD_UNSTORABLE" }],
    [
      "a check of all",
      { setup: () => ({ input: 1, env: ledgerOf(), checkAll: 1 }) },
      { message: expect.stringContaining("checkAll") },
    ],
  ];
  for (const [what, options, error] of wrong) {
    it(what, async () => {
      await expect(simulate(settle, { seeds: 1, ...options } as never)).rejects.toMatchObject(error);
    });
  }

  it("a schedule of a workflow that does not take part", async () => {
    const other = workflow({ name: "other" }, async () => {});
    const schedules = [schedule({ id: "other", workflow: other, every: "1m" })];
    await expect(simulate(settle, { schedules, setup })).rejects.toMatchObject({ code: "WORKFLOW_UNKNOWN" });
  });
});
