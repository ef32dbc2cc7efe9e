import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RunEvent } from "../../src/kernel/events.ts";
import { type BodyStart, note, readEvidence, repeatedBodies } from "./evidence.ts";

const event = (position: number, type: string, more: Partial<RunEvent> = {}): RunEvent =>
  ({
    position,
    seq: position,
    runId: "run_1",
    epoch: 1,
    v: 1,
    type,
    key: null,
    attempt: null,
    at: position,
    ...more,
  }) as RunEvent;

const claimed = (position: number, epoch: number, pid: number) =>
  event(position, "run.claimed", { epoch, data: { worker: `host:${pid}/w_1` } });
const started = (position: number, attempt: number, epoch = 1) =>
  event(position, "attempt.started", { key: "charge", attempt, epoch });
const completed = (position: number, attempt: number, epoch = 1) =>
  event(position, "step.completed", { key: "charge", attempt, epoch });

const body = (attempt: number, more: Partial<BodyStart> = {}): BodyStart => ({
  runId: "run_1",
  key: "charge",
  attempt,
  pid: 7,
  at: 2,
  position: 2,
  ...more,
});

const reasons = (starts: readonly BodyStart[], events: readonly RunEvent[]) =>
  repeatedBodies(starts, events).map(({ reason }) => reason);

describe("the judge of bodies", () => {
  it("finds nothing where each body followed its record, also after a death", () => {
    const log = [claimed(1, 1, 7), started(2, 1), claimed(3, 2, 8), started(4, 2, 2), completed(5, 2, 2)];
    expect(reasons([body(1), body(2, { pid: 8, position: 4, at: 4 })], log)).toEqual([]);
  });

  it.each<[string, BodyStart[], RunEvent[]]>([
    ["the log does not have this attempt", [body(1)], [claimed(1, 1, 7)]],
    ["the same attempt began in process 7 already", [body(1), body(1)], [claimed(1, 1, 7), started(2, 1)]],
    ["its attempt was recorded by process 8", [body(1)], [claimed(1, 1, 8), started(2, 1)]],
    [
      "the log did not have this attempt when it began",
      [body(1, { position: 1 })],
      [claimed(1, 1, 7), started(2, 1), completed(3, 1)],
    ],
    [
      "the log had the step's completion before this attempt",
      [body(2, { position: 4 })],
      [claimed(1, 1, 7), started(2, 1), completed(3, 1), started(4, 2)],
    ],
    [
      "the step's completion was recorded before this body began",
      [body(1, { position: 3, at: 3 })],
      [claimed(1, 1, 7), started(2, 1), completed(3, 1)],
    ],
  ])("finds: %s", (reason, starts, log) => {
    expect(reasons(starts, log)).toEqual([reason]);
  });

  it("does not blame a body that had begun before the completion and read the log after it", () => {
    const log = [claimed(1, 1, 7), started(2, 1), completed(3, 1)];
    expect(reasons([body(1, { position: 3, at: 2 })], log)).toEqual([]);
  });

  it("goes by the clock where a body did not note the log's position", () => {
    const { position: _, ...unplaced } = body(1, { at: 4 });
    const log = [claimed(1, 1, 7), started(2, 1), completed(3, 1)];
    expect(reasons([unplaced], log)).toEqual(["the step's completion was recorded before this body began"]);
    expect(reasons([{ ...unplaced, at: 2 }], log)).toEqual([]);
  });
});

it("a body's line is read as it was noted", () => {
  const folder = mkdtempSync(join(tmpdir(), "varve-evidence-"));
  const path = join(folder, "bodies.jsonl");
  note(path, body(1));
  note(path, body(2));
  expect(readEvidence(path)).toEqual([body(1), body(2)]);
  rmSync(folder, { recursive: true });
});
