/** What a user's simulation calls the things that go wrong, and how it tells them. */
import { formatDuration } from "../kernel/duration.ts";
import type { FaultKind } from "./faults.ts";

/** Every fault by its name: what happens. */
export const TROUBLES = {
  crash: "A process dies: at any time, in the middle of a step's body, or around a write.",
  pause: "A process stands still for up to 40 s, and goes on when another may have taken its run over.",
  "lost-request": "A request to the database never arrives.",
  "lost-reply": "The database does what it was asked, and its answer never comes.",
  "late-request": "The database does what it was asked long after the process has given up.",
  "repeated-request": "The database is sent the same request twice.",
  "slow-reply": "The database takes seconds to answer.",
  "database-error": "The database refuses: it is locked, full, or its disk fails.",
  "wrong-clock": "The clock of a process is off by up to an hour.",
} as const;

/** What can go wrong in a simulation. */
export type SimulatedFault = keyof typeof TROUBLES;

export const ALL_TROUBLES = Object.keys(TROUBLES) as SimulatedFault[];

/** A fault that happened. */
export interface HappenedFault {
  /** Names the place and not the moment, so that it can be chosen again: `seeds: { only, faults: [id] }`. */
  readonly id: string;
  readonly fault: SimulatedFault;
  /** What happened, in words: who, and where. */
  readonly what: string;
}

/** Where in a body a process can be hit. */
export type BodyMoment = "begin" | "wait" | "end";

/** What the user calls each fault on the way to the log. */
export const TROUBLE_OF: Readonly<Record<FaultKind, SimulatedFault>> = {
  busy: "database-error",
  full: "database-error",
  "io-error": "database-error",
  "lost-request": "lost-request",
  "lost-reply": "lost-reply",
  "late-request": "late-request",
  duplicate: "repeated-request",
  "slow-reply": "slow-reply",
  "crash-before": "crash",
  "crash-after": "crash",
  "crash-at-reply": "crash",
};

const SITE_TEXTS: Readonly<Record<string, string>> = {
  append: "write",
  claim: "claim",
  load: "read of the run's history",
  heartbeat: "heartbeat",
  openWorker: "call that opens its lease",
  publishMessage: "publish",
  dispatchMessage: "dispatch of a message",
  fireGathering: "start of a run by gathered messages",
  changeSchedule: "decision on a schedule",
};

const CALL_TEXTS: Readonly<Record<FaultKind, (proc: string, site: string) => string>> = {
  busy: (proc, site) => `${proc}'s ${site} is refused: the database is locked`,
  full: (proc, site) => `${proc}'s ${site} is refused: the disk is full`,
  "io-error": (proc, site) => `${proc}'s ${site} is refused: the disk failed`,
  "lost-request": (proc, site) => `${proc}'s ${site} never reaches the database`,
  "lost-reply": (proc, site) => `${proc}'s ${site} is done, and its answer is lost`,
  "late-request": (proc, site) => `${proc}'s ${site} reaches the database long after ${proc} has given it up`,
  duplicate: (proc, site) => `${proc}'s ${site} reaches the database twice`,
  "slow-reply": (proc, site) => `${proc}'s ${site} is answered slowly`,
  "crash-before": (proc, site) => `${proc} dies before its ${site} is sent`,
  "crash-after": (proc, site) => `${proc} dies when its ${site} is done, before the answer`,
  "crash-at-reply": (proc, site) => `${proc} dies as its ${site} is answered`,
};

/** A fault on the way to the log, in words. `id`: `process/site/count`. */
export function callTroubleText(id: string, kind: FaultKind): string {
  const [proc = "", site = ""] = id.split("/");
  return CALL_TEXTS[kind](proc, SITE_TEXTS[site] ?? `call "${site}"`);
}

const MOMENT_TEXTS: Readonly<Record<BodyMoment, (bodies: string) => string>> = {
  begin: (bodies) => `as ${bodies} begins`,
  wait: (bodies) => `in the middle of ${bodies}`,
  end: (bodies) => `when ${bodies} has ended, before that is recorded`,
};

/** A process that is hit in a body, in words. */
export function bodyTroubleText(harm: string, moment: BodyMoment, steps: readonly string[]): string {
  const names = steps.map((step) => `"${step}"`).join(" and ");
  return `${harm} ${MOMENT_TEXTS[moment](`the body of ${names}`)}`;
}

export function pauseText(proc: string, ms: number): string {
  return `${proc} stands still for ${formatDuration(ms)}`;
}

export function clockText(proc: string, skewMs: number): string {
  return `the clock of ${proc} is ${formatDuration(Math.abs(skewMs))} ${skewMs < 0 ? "behind" : "ahead"}`;
}
