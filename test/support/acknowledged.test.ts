import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { EventRow } from "../../src/kernel/events.ts";
import type { AppendedEvent, RunHead } from "../../src/log/port-write.ts";
import { lostParts, noteAcknowledged, readAcknowledged } from "./acknowledged.ts";

const event = (type: string): AppendedEvent => ({ type, v: 1, key: "a", scope: null, attempt: 1, at: 5, data: null });

const EVENTS = ["attempt.started", "step.completed", "run.completed"].map(event);

const LOG: EventRow[] = EVENTS.map((each, i) => ({ ...each, runId: "run_1", epoch: 2, seq: i + 1, position: i + 7 }));

/** The parts that are noted when the log answers with `head`. */
function noted(head: RunHead) {
  const folder = mkdtempSync(join(tmpdir(), "varve-acknowledged-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "acknowledged.jsonl");
  writeFileSync(path, "");
  const row = { kind: "advance", unclean: "keep", startedAt: null } as const;
  const run = { runId: "run_1", epoch: 2, firstSeq: 2, events: EVENTS.slice(1), drained: [], row, beyond: null };
  const verdict = { runs: new Map([["run_1", head]]), refused: new Map(), starts: new Map(), messages: new Map() };
  noteAcknowledged(path, { starts: [], runs: [run], messages: [] }, verdict);
  return readAcknowledged(path);
}

const WRITTEN: RunHead = { epoch: 2, head: 3, availableAt: null };

it("a part that the log holds is not lost", () => {
  const parts = noted(WRITTEN);
  expect(parts).toMatchObject([{ runId: "run_1", epoch: 2, firstSeq: 2, events: 2 }]);
  expect(lostParts(parts, LOG)).toEqual([]);
});

it("a part that was refused is not noted", () => {
  expect(noted({ ...WRITTEN, epoch: 3 })).toEqual([]);
});

it.each<[string, readonly EventRow[]]>([
  ["without its last event", LOG.slice(0, 2)],
  ["without the run", []],
  ["with another event in its place", LOG.map((row) => (row.seq === 2 ? { ...row, type: "step.failed" } : row))],
  ["under another epoch", LOG.map((row) => ({ ...row, epoch: 3 }))],
])("a log %s has lost it", (_, log) => {
  const parts = noted(WRITTEN);
  expect(lostParts(parts, log)).toEqual(parts);
});
