/** How long notices are kept: for logs whose clock can be moved. */
import { expect, it } from "vitest";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import { NOTICE_KEPT_MS, type NoticeStatus } from "../../src/log/port-outgoing.ts";
import { manualClock, realPorts } from "../support/ports.ts";
import { openFile } from "./open.ts";

const LOGS: Readonly<Record<string, (ports: ReturnType<typeof realPorts>) => Promise<LogStore>>> = {
  "the in-memory log": async ({ clock }) => memoryStore(clock),
  "a file": async (ports) => (await openFile("owned-file", { ports })).store,
};

for (const [name, open] of Object.entries(LOGS)) {
  it(`${name} forgets notices that ended long ago when others are settled, the dead later`, async () => {
    const clock = manualClock();
    const store = await open({ ...realPorts(), clock });
    const hold = await store.holdEndpoint({ endpoint: "e", holder: "a", leaseMs: 1, takeOver: false });
    const epoch = hold?.epoch ?? 0;
    const notices = [3, 4, 5].map((position) => ({ position, runId: `run_${position}`, seq: 1, type: "run.failed" }));
    await store.planNotices({ endpoint: "e", epoch, from: 0, to: 9, notices });
    const [first] = await store.pendingNotices("e", 1);
    const ended = (position: number, status: NoticeStatus) => {
      return { position, wasDueAt: first?.dueAt ?? 0, tries: 1, status, dueAt: null, firstAt: 5, note: "" };
    };
    const settle = async (...outcomes: ReturnType<typeof ended>[]) => {
      await store.settleNotices({ endpoint: "e", epoch, outcomes, restUntil: null, disable: false });
      const rows = await store.listNotices({ endpoint: null, status: null, before: null, limit: 99 });
      return rows.map(({ position }) => position);
    };
    await settle(ended(3, "delivered"), ended(4, "dead"));
    clock.advance(NOTICE_KEPT_MS.delivered - 1);
    expect(await settle()).toEqual([5, 4, 3]);
    clock.advance(2);
    expect(await settle()).toEqual([5, 4]);
    clock.advance(NOTICE_KEPT_MS.dead - NOTICE_KEPT_MS.delivered);
    expect(await settle()).toEqual([5]);
  });
}
