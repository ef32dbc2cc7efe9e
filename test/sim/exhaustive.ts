/**
 * The lanes that leave out nothing: each point at which something can go wrong, one after the other. Each lane has a short
 * form, for every run of the tests, and a long one.
 */
import { cases } from "../support/examples.ts";
import { CORPUS } from "./corpus.ts";
import { TOGETHER } from "./corpus-together.ts";
import { type CrashReport, crashAtEveryAppend, crashInEveryRecovery, smallest } from "./crashes.ts";
import { type CallsReport, failEveryCall, failEveryDoubt } from "./failing-calls.ts";
import { everyOrder, type OrdersOptions, type OrdersReport } from "./orders.ts";
import { RACES, type Race, type RaceName } from "./races.ts";
import { SHARED_RACES, type SharedRace, type SharedRaceName } from "./shared-races.ts";
import { exampleSubject, programSubject, type Subject } from "./subject.ts";

export type LaneLength = "short" | "long";

/** Every program of the corpus, and every example. */
export const SUBJECTS: readonly Subject[] = [
  ...[...CORPUS, ...TOGETHER].map(programSubject),
  ...cases.filter(({ before }) => before === undefined).map(exampleSubject),
];

/** Those that take hours: a worker of a shared log looks at it each second, and so they are left to the long lanes. */
const isQuick = ({ name }: Subject) => !name.startsWith("example staged-rollout");

/** Its steps have two attempts each, and two crashes may use up both. */
const hasAttemptsToSpare = ({ name }: Subject) => !["example nightly-report", "example account-sync"].includes(name);

export function crashLane(length: LaneLength, exclusive: boolean): Promise<CrashReport> {
  const subjects = exclusive || length === "long" ? SUBJECTS : SUBJECTS.filter(isQuick);
  return crashAtEveryAppend(subjects, exclusive);
}

/** Of so many pairs of crashes the short lane tries one, but for the smallest subjects: there it tries all. */
const PAIRS_LEFT_OUT = 29;
const SMALLEST = 10;

/** The second crash hits the process that takes up the run: all pairs for the smallest subjects. */
export async function secondCrashLane(exclusive: boolean): Promise<CrashReport> {
  // The values that a step returns make no difference to a crash.
  const subjects = SUBJECTS.filter(({ name }) => !name.startsWith("value-"));
  return await crashInEveryRecovery(await smallest(subjects, SMALLEST), exclusive, () => true);
}

/** The same for all subjects: a sample of the pairs, or all of them. */
export async function sampledSecondCrashLane(length: LaneLength, exclusive: boolean): Promise<CrashReport> {
  const subjects = SUBJECTS.filter((each) => hasAttemptsToSpare(each) && (length === "long" || isQuick(each)));
  return await crashInEveryRecovery(subjects, exclusive, (pair) => length === "long" || pair % PAIRS_LEFT_OUT === 0);
}

/** Together they call every site that a worker calls while nothing is wrong, and use every kind of command. */
const FAILING = [
  "one-step",
  "one-slow-step",
  "value-date",
  "sleep-parks",
  "retry-once",
  "once",
  "all-at-once",
  "any-but-the-first",
  "race-of-steps",
  "scope",
  "map-two-at-a-time",
  "update",
  "keep",
  "lock-in-line",
  "lock-times-out",
  "guarded-opens",
  "cached",
  "loop-of-scopes",
  "try-and-compensate",
  "deadline-in-a-body",
  "delayed",
  "cancelled-asleep",
  "signal-while-it-waits",
  "child-that-sleeps",
  "shield-at-the-end-of-a-cancelled-run",
  "paused-asleep",
  "compensations-across-scopes",
  "retried",
];

const failingSubjects = (length: LaneLength) =>
  SUBJECTS.filter((each) => (length === "long" ? isQuick(each) : FAILING.includes(each.name)));

export function failingCallLane(length: LaneLength): Promise<CallsReport> {
  return failEveryCall(failingSubjects(length));
}

export function failingDoubtLane(length: LaneLength): Promise<CallsReport> {
  return failEveryDoubt(failingSubjects(length));
}

/** More than any of the scopes below has. */
const STATES_MAX = 1_000_000;

const named = (name: string) => SUBJECTS.find((subject) => subject.name === name) as Subject;

/** Two workers and a run of three steps. No worker stands still. */
export function ordersLane(): Promise<OrdersReport> {
  return everyOrder(named("three-steps"), { pauses: 0, endsPausesAnywhere: false, statesMax: STATES_MAX });
}

/**
 * The same where one of them stands still once, for as short or as long as may be, so that its lease may run out. In the long
 * lane it may also go on while the other one is in the midst of something.
 */
export function ordersWithPauseLane(length: LaneLength, log?: OrdersOptions["log"]): Promise<OrdersReport> {
  const endsPausesAnywhere = length === "long";
  const options = { pauses: 1, endsPausesAnywhere, statesMax: STATES_MAX, ...(log === undefined ? {} : { log }) };
  return everyOrder(named("three-steps"), options);
}

/** What others do to a run against what it does. */
export function raceLane(name: RaceName, length: LaneLength, log?: OrdersOptions["log"]): Promise<OrdersReport> {
  const { program, long, ...race }: Race = RACES[name];
  return everyOrder(programSubject({ name, program }), {
    ...{ pauses: 0, endsPausesAnywhere: false, statesMax: STATES_MAX },
    ...race,
    ...(length === "long" ? long : {}),
    ...(log === undefined ? {} : { log }),
  });
}

/**
 * What two runs do to what they share. In the long lane a worker may stand still, so that another one takes over its run.
 * `isGuarded`: over the log as it is.
 */
export function sharedRaceLane(name: SharedRaceName, length: LaneLength, isGuarded: boolean): Promise<OrdersReport> {
  const { program, unguarded, ...race }: SharedRace = SHARED_RACES[name];
  return everyOrder(programSubject({ name, program }), {
    ...{ runs: 2, concurrency: 1, pauses: length === "long" ? 1 : 0, endsPausesAnywhere: false, statesMax: STATES_MAX },
    ...race,
    ...(isGuarded ? {} : { log: unguarded }),
  });
}
