import { describe, expect, it } from "vitest";
import { Agenda, type PendingTask } from "../../src/testing/agenda.ts";
import { Prng } from "../../src/testing/prng.ts";
import { forgetful } from "../support/forgetful.ts";
import { withoutFence } from "../support/without-fence.ts";
import { ordersLane, ordersWithPauseLane, raceLane } from "./exhaustive.ts";
import type { OrdersReport } from "./orders.ts";
import type { RaceName } from "./races.ts";

function print(what: string, { states, ended, known, tasks, claims, stories }: OrdersReport): void {
  const by = [...claims].map(([count, orders]) => `${orders} with ${count}`).join(", ");
  const told = stories.size === 1 ? "one story" : `${stories.size} stories`;
  console.log(
    `${what}: ${states} states, ${ended + known} orders in ${tasks} tasks, ${told}; claims at the end: ${by}`,
  );
}

describe("two workers that want one run", () => {
  it("bring it to its end in every order of a run of three steps", async () => {
    const report = await ordersLane();
    print("orders", report);
    expect(report.failures).toEqual([]);
    expect(report.isExhaustive).toBe(true);
    expect(report.states).toBeGreaterThan(200);
  }, 180_000);

  it("bring it to its end wherever one of them stands still, also for longer than its lease", async () => {
    const report = await ordersWithPauseLane("short");
    print("orders with a pause", report);
    expect(report.failures).toEqual([]);
    expect(report.isExhaustive).toBe(true);
    expect(report.states).toBeGreaterThan(10_000);
    // Some orders have it taken over.
    expect(report.claims.get(2) ?? 0).toBeGreaterThan(100);
  }, 180_000);
});

interface Finding {
  /** Events of which some orders have the first and others the second. */
  readonly either: readonly [string, string];
  /** What a log loses that is wrong. */
  readonly isLost: Parameters<typeof forgetful>[1];
}

const FINDINGS: Readonly<Record<RaceName, Finding>> = {
  "a signal against a time-out": {
    either: ["wait.completed go", "wait.expired go"],
    isLost: ({ kind }, { row }) => kind === "signal" && row.owner !== null,
  },
  "a signal against a time-out of a parked run": {
    either: ["wait.completed go", "wait.expired go"],
    isLost: ({ kind }, { row }) => kind === "signal" && row.status === "waiting",
  },
  "two signals at once": {
    either: ["signal.received, signal.received", "wait.completed go, signal.received"],
    isLost: ({ kind }, { mail }) => kind === "signal" && mail.length > 0,
  },
  "a cancel against completion": {
    either: ["run.cancelled", "run.completed"],
    isLost: ({ kind }, { row }) => kind === "cancel" && row.owner !== null,
  },
  "a terminate against completion": {
    either: ["run.cancelled", "run.completed"],
    isLost: ({ kind }, { row }) => kind === "terminate" && row.owner !== null,
  },
  "a pause and a resume against completion": {
    either: ["run.paused, step.completed a", "step.completed a, attempt.started b"],
    isLost: ({ kind }, { row }) => kind === "resume" && row.owner !== null,
  },
  "a child of which another worker is told": {
    either: ["child.completed kid", "run.completed"],
    isLost: ({ kind }) => kind === "child",
  },
  "a cancel of a parent against its child's end": {
    either: ["child.completed kid", "cancel.requested, run.cancelled"],
    isLost: ({ kind }, { mail }) => kind === "child" && mail.length > 0,
  },
};

describe.each(Object.entries(FINDINGS) as [RaceName, Finding][])("%s", (name, { either, isLost }) => {
  it("comes out right in every order", async () => {
    const report = await raceLane(name, "short");
    print(name, report);
    expect(report.failures).toEqual([]);
    expect(report.isExhaustive).toBe(true);
    const stories = [...report.stories];
    for (const events of either) expect(stories.some((story) => story.includes(events))).toBe(true);
  }, 120_000);

  it("comes out wrong over a log that loses a message now and then, as the search finds", async () => {
    const report = await raceLane(name, "short", (store) => forgetful(store, isLost));
    expect(report.failures.join()).toContain("message-kept");
    expect(report.isExhaustive).toBe(false);
  }, 120_000);
});

describe("the search through orders", () => {
  it("finds the order in which a log without its fence takes what a worker writes after its lease", async () => {
    const report = await ordersWithPauseLane("short", withoutFence);
    expect(report.failures.join()).toContain("append-under-current-epoch");
    expect(report.isExhaustive).toBe(false);
  }, 180_000);
});

describe("an agenda whose order is chosen", () => {
  const order = async (choose: (pending: readonly PendingTask[], now: number) => PendingTask | null) => {
    const agenda = new Agenda(0, new Prng("chosen"), choose);
    const ran: string[] = [];
    agenda.after(10, () => ran.push(`a at ${agenda.now}`));
    agenda.after(20, () => {
      ran.push(`b at ${agenda.now}`);
      agenda.after(0, () => ran.push(`of b at ${agenda.now}`), "p1");
    });
    await agenda.run(() => ran.length === 3, 100);
    return ran;
  };

  it("lets a task come later than it is due, and time never goes back", async () => {
    const last = (pending: readonly PendingTask[]) => pending.toSorted((a, b) => b.at - a.at)[0] ?? null;
    expect(await order(last)).toEqual(["b at 20", "of b at 20", "a at 20"]);
  });

  it("lets time pass without a task, and says which task added which", async () => {
    const parents: (number | null)[] = [];
    const ran = await order((pending, now) => {
      const due = pending.filter(({ at }) => at <= now).sort((a, b) => b.number - a.number);
      if (now < 20) return null;
      if (due[0] !== undefined) parents.push(due[0].parent);
      return due[0] ?? null;
    });
    expect(ran).toEqual(["b at 20", "of b at 20", "a at 20"]);
    expect(parents).toEqual([null, 1, null]);
  });
});
