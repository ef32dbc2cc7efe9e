import { expect, it, vi } from "vitest";
import { manualClock, realPorts } from "../support/ports.ts";
import { created, start } from "./hand.ts";
import { openFile } from "./open.ts";
import { moved, PROGRAM, turn } from "./writes.ts";

const OTHER = { workflow: "old", version: "1" };

it("a worker that comes while it is decided who is passed over is not too late", async () => {
  const clock = manualClock();
  const { store, db } = await openFile("owned-file", { ports: { ...realPorts(), clock } });
  const limits = { places: [{ line: "queue/q", slots: 1, rank: 0, hold: "work" as const }], lineAt: 0 };
  await store.openWorker("usher", 800, []);
  for (const [id, program] of [["run_a", OTHER] as const, ["run_b", PROGRAM] as const]) {
    await store.append({
      starts: [start(id, { ...program, limits: { ...limits, takes: [], singleton: null } })],
      runs: [created(id, { row: moved({ availableAt: null }) })],
      messages: [],
    });
    await store.claim({ worker: "usher", turn: turn(), programs: [], limit: 0, alone: false, linesDue: true });
  }
  clock.advance(1_000);
  const look = db.one.bind(db);
  vi.spyOn(db, "one").mockImplementationOnce(async (...asked) => {
    const seen = await look(...asked);
    expect(seen[0]?.untaken).toContain("old");
    await store.openWorker("came", 800, [OTHER]);
    return seen;
  });
  expect(await store.passOver({ programs: [PROGRAM], queues: null, patienceMs: 200 })).toEqual({
    passed: 0,
    returned: 0,
  });
  expect((await store.getRun("run_a"))?.passedAt).toBeNull();
});
