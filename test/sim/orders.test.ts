import { describe, expect, it } from "vitest";
import { Agenda, type PendingTask } from "../../src/testing/agenda.ts";
import { Prng } from "../../src/testing/prng.ts";
import { withoutFence } from "../support/without-fence.ts";
import { ordersLane, ordersWithPauseLane } from "./exhaustive.ts";
import type { OrdersReport } from "./orders.ts";

function print(what: string, { states, ended, known, tasks, claims }: OrdersReport): void {
  const by = [...claims].map(([count, orders]) => `${orders} with ${count}`).join(", ");
  console.log(`${what}: ${states} states, ${ended + known} orders in ${tasks} tasks; claims at the end: ${by}`);
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
