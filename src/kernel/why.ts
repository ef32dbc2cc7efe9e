/** What a run waits for, as it is told to whoever asks. */
import type { RunStatus } from "./state.ts";

/**
 * The kinds of things that a run waits for.
 *
 * `timer`: a time of its own, or of its start. `retry`: the time of a step's next attempt. `step`: the body of a step that runs.
 * `signal`, `message`, `child`, `lock`: as they are called. `breaker`: a step is tried again, and a breaker is open that has to let
 * it through: `until` is when it lets somebody try. `slot`: a place in a line that is full. `others`: there is room here, but not in
 * all of its lines. `rate`: its turn, by a throttle. `worker`: somebody who works on it, or serves its queue. `version`: somebody
 * who has its code.
 * `pause`, `stuck`: a person.
 */
export const WAIT_KINDS = [
  "timer",
  "retry",
  "breaker",
  "step",
  "signal",
  "message",
  "child",
  "lock",
  "slot",
  "others",
  "rate",
  "worker",
  "version",
  "pause",
  "stuck",
] as const;

/** See {@link WAIT_KINDS}. */
export type WaitKind = (typeof WAIT_KINDS)[number];

/** One thing that a run waits for. */
export interface WaitReason {
  readonly kind: WaitKind;
  /** Since when, milliseconds since the epoch; null: nobody has noted it. */
  readonly since: number | null;
  /** When it is over by itself; null: not by time. */
  readonly until: number | null;
  /** In words. */
  readonly text: string;
  /** What can be done about it, in words. */
  readonly hint: string;
  /** The call that waits, by its key. */
  readonly key?: string;
  /** What it is for: a signal, a topic, a lock, a breaker, a line, a workflow's version, a worker, a queue that nobody serves. */
  readonly name?: string;
  /** The child that is waited for. */
  readonly runId?: string;
  /** Of a line or a lock: who has a place in it, the first 20. */
  readonly holders?: readonly string[];
  /** How many may have one. */
  readonly slots?: number;
  /** The run's place among those that wait, from 1; null: it is far behind. */
  readonly position?: number | null;
}

/** The first thing that a run waits for, in short. */
export interface WaitingFor {
  readonly kind: WaitKind;
  /** What it is for, else the call that waits; null: it is the run itself. */
  readonly name: string | null;
  /** Since when, milliseconds since the epoch; null: nobody has noted it. */
  readonly since: number | null;
}

/** Why a run does not go on. */
export interface Why {
  readonly runId: string;
  readonly status: RunStatus;
  /** The instant of the answer. */
  readonly at: number;
  /** Nothing: it is over, or about to be worked on. */
  readonly waitsFor: readonly WaitReason[];
}
