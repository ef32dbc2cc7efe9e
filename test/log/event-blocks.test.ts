import { describe, expect, it } from "vitest";
import { EVENT_BLOCKS, eventBlocks } from "../../src/log/libsql/event-blocks.ts";
import type { RunAppend } from "../../src/log/port-write.ts";
import { eventOf, moved } from "./writes.ts";

/** As many runs as counts, each with so many events. */
const appends = (...counts: number[]): RunAppend[] =>
  counts.map((count, run) => ({
    runId: `run_${run}`,
    epoch: run + 1,
    firstSeq: 10 * run + 1,
    events: Array.from({ length: count }, (_, i) =>
      eventOf("attempt.started", `step-${i}`, i % 2 === 0 ? null : { i }),
    ),
    drained: [],
    row: moved(),
    beyond: null,
  }));

/** The rows of all blocks, in order. */
const rowsOf = (runs: readonly RunAppend[]) =>
  eventBlocks(runs).flatMap(({ sql, args }) => {
    const values = args as readonly unknown[];
    const { rows } = EVENT_BLOCKS.find((block) => block.sql === sql) as (typeof EVENT_BLOCKS)[number];
    const width = values.length / rows;
    expect(sql.match(/\?/g)).toHaveLength(values.length);
    return Array.from({ length: rows }, (_, i) => values.slice(i * width, (i + 1) * width));
  });

describe("events as bound values", () => {
  const biggest = EVENT_BLOCKS[0]?.rows as number;

  it.each([1, 2, biggest - 1, biggest, biggest + 1, 3 * biggest + 7])(
    "%i events of one run are as many rows, with every value in its place",
    (count) => {
      const [run] = appends(count) as [RunAppend];
      const expected = run.events.map(({ type, v, key, scope, attempt, at, data }, i) => [
        ...[run.runId, run.epoch, run.firstSeq, run.firstSeq + i],
        ...[type, v, key, scope, attempt, at, data],
      ]);
      expect(rowsOf([run])).toEqual(expected);
    },
  );

  it("runs keep their order, and each counts from its own first seq, also where a block ends within a run", () => {
    const rows = rowsOf(appends(3, 0, biggest, 5));
    expect(rows.map(([id, , , seq]) => `${id}:${seq}`)).toEqual([
      ...Array.from({ length: 3 }, (_, i) => `run_0:${1 + i}`),
      ...Array.from({ length: biggest }, (_, i) => `run_2:${21 + i}`),
      ...Array.from({ length: 5 }, (_, i) => `run_3:${31 + i}`),
    ]);
  });

  it("no events are no statements", () => {
    expect(eventBlocks(appends(0, 0))).toEqual([]);
  });
});
