import { expect, it } from "vitest";
import { runId } from "./hand.ts";
import { openFile } from "./open.ts";
import { eventOf, newRun } from "./writes.ts";

it.each(["run.created", "timer.armed"])(
  "an outlook has nothing of a %s that is damaged, and all of the others",
  async (type) => {
    const { store, client } = await openFile();
    const ids = [runId(), runId()];
    for (const id of ids) {
      const write = newRun(id, {}, [eventOf("timer.armed", "t", { dueAt: 5_000 })]);
      await store.append(write);
    }
    await client.execute({
      sql: "UPDATE events SET data = '{' WHERE run_id = ? AND type = ?",
      args: [ids[0] as string, type],
    });
    const { events } = await store.readOutlook(ids.map((id) => ({ runId: id, afterSeq: 0 })));
    const told = events.map((event) => [event.runId, event.type, event.data === null ? null : JSON.parse(event.data)]);
    const whole = (id: string | undefined) => [
      [id, "run.created", { availableAt: null }],
      [id, "timer.armed", { dueAt: 5_000 }],
    ];
    expect(told).toEqual([
      ...whole(ids[0]).map(([id, each, data]) => [id, each, each === type ? null : data]),
      ...whole(ids[1]),
    ]);
  },
);
