/** Why a run does not go on: told from the rows and events that decide it. Pure. */
import type { BreakerState } from "../kernel/breaker.ts";
import type { RunEvent } from "../kernel/events.ts";
import { canTake, DEFAULT_QUEUE, queueOf, servesQueue } from "../kernel/pool.ts";
import { queueLine, queueOfLine } from "../kernel/queues.ts";
import { type CallState, isClosed, isTerminalStatus, type RunState } from "../kernel/state.ts";
import type { WaitReason, Why } from "../kernel/why.ts";
import type { LockRow } from "../log/port-locks.ts";
import type { LineSetting, PlaceRow } from "../log/port-places.ts";
import type { RunRow } from "../log/port-runs.ts";
import type { WorkerRow } from "../log/port-workers.ts";

/** What is known of a run that might wait. */
export interface WhyFacts {
  readonly row: RunRow;
  /** Null: it has no event. */
  readonly state: RunState | null;
  readonly events: readonly RunEvent[];
  readonly workers: readonly WorkerRow[];
  /** The lines in which it has a place, each in its order: who holds one first. */
  readonly lines: ReadonlyMap<string, LineFacts>;
  /** The lines of locks, and of the queues of steps, in which it stands. */
  readonly locks: ReadonlyMap<string, LockLine>;
  /** The breakers that have to let its steps through, by name. */
  readonly breakers: ReadonlyMap<string, BreakerState>;
  readonly now: number;
}

/** A line as it stands. */
export interface LineFacts {
  /** The run's own place. */
  readonly mine: PlaceRow;
  /** From its head, as far as it was read. */
  readonly places: readonly PlaceRow[];
  /** How many have one. */
  readonly held: number;
  /** Those of them that wait for the turns of its fairness key; null: it has none. */
  readonly ofKey: readonly PlaceRow[] | null;
  /** What was set at run time; null: nothing. */
  readonly setting: LineSetting | null;
}

/** The line of a lock, or of a queue of steps, as it stands. */
export interface LockLine {
  /** From its head, as far as it was read. */
  readonly places: readonly LockRow[];
  /** What was set of the queue at run time; null: nothing. */
  readonly setting: LineSetting | null;
}

const HOLDERS_MAX = 20;

/** What the run waits for. */
export function whyOf(facts: WhyFacts): Why {
  const { row, now } = facts;
  return { runId: row.id, status: row.status, at: now, waitsFor: reasonsOf(facts) };
}

function reasonsOf(facts: WhyFacts): WaitReason[] {
  const { row, now } = facts;
  if (isTerminalStatus(row.status)) return [];
  switch (row.status) {
    case "stuck":
      return [stuck(facts)];
    case "paused":
      return [paused(facts)];
    case "waiting":
      return callReasons(facts);
    case "running":
      return running(facts);
    default:
      if (row.availableAt !== null) return row.availableAt > now ? [begins(facts, row.availableAt)] : unserved(facts);
      if (row.lineAt !== null && row.lineAt > now)
        return row.passedAt === null ? [begins(facts, row.lineAt)] : [...withoutWorker(facts), passedOver(facts)];
      return row.lineAt === null ? inLine(facts) : unserved(facts);
  }
}

function stuck({ row, events }: WhyFacts): WaitReason {
  const { code, message } = JSON.parse(row.stuck ?? "{}") as { readonly code?: string; readonly message?: string };
  return {
    kind: "stuck",
    since: events.at(-1)?.at ?? null,
    until: null,
    ...(code === undefined ? {} : { name: code }),
    text: `it cannot go on: ${message ?? "its row does not say why"}`,
    hint:
      code === "RUN_POISONED"
        ? "its code ended the process again and again: mend it, and then cancel the run and run it again"
        : "start a worker with mended code, which takes it up again by itself",
  };
}

function paused({ events }: WhyFacts): WaitReason {
  const event = events.findLast(({ type }) => type === "run.paused");
  const reason = event?.type === "run.paused" ? event.data.reason : undefined;
  return {
    kind: "pause",
    since: event?.at ?? null,
    until: null,
    text: `it is paused${reason === undefined ? "" : `: ${reason}`}`,
    hint: "resume it: varve runs resume",
  };
}

/** It is owned: by a worker that lives, or by one whose lease has ended. */
function running(facts: WhyFacts): WaitReason[] {
  const { row, workers, now } = facts;
  const owner = workers.find(({ id }) => id === row.owner);
  if (owner !== undefined && owner.expiresAt > now) return callReasons(facts);
  const name = row.owner ?? "unknown";
  return [
    {
      kind: "worker",
      since: owner?.expiresAt ?? null,
      until: null,
      name,
      text: `its worker ${name} is gone`,
      hint: hintOfWorkers(facts, "another worker takes it over"),
    },
    ...withoutWorker(facts),
  ];
}

/** It begins, or goes on, at an instant that is ahead. */
function begins({ row, state, now }: WhyFacts, at: number): WaitReason {
  const isThrottled = row.head === 1 && row.lineAt !== null && at > (state?.availableAt ?? at);
  return {
    kind: isThrottled ? "rate" : "timer",
    since: row.createdAt,
    until: at,
    text: `it ${row.head === 1 ? "begins" : "goes on"} in ${at - now} ms${isThrottled ? ", which is its turn by its workflow's throttle" : ""}`,
    hint: isThrottled ? "raise the throttle of its workflow for runs to come" : "nothing: it goes on by itself",
  };
}

/** It has left its lines to others. */
function passedOver({ row }: WhyFacts): WaitReason {
  return {
    kind: "worker",
    since: row.passedAt,
    until: row.lineAt,
    name: queueLine(queueOf(row.limits)),
    text: "no worker took it while others waited for its places, so they go before it",
    hint: "it gets in line again, in its old place in the order, as soon as a worker comes that takes it",
  };
}

/** It could be claimed now, and was not yet. */
function unserved(facts: WhyFacts): WaitReason[] {
  const { row, now } = facts;
  const since = row.availableAt ?? row.lineAt ?? now;
  const lacking = withoutWorker(facts);
  if (lacking.length > 0) return lacking;
  return [
    {
      kind: "worker",
      since,
      until: null,
      text: hasLive(facts) ? "it is due, and no worker has had room for it yet" : "it is due, and there is no worker",
      hint: hintOfWorkers(
        facts,
        "a worker takes it as soon as it has room; raise the concurrency of workers if that takes long",
      ),
    },
  ];
}

function livingWorkers({ workers, now }: WhyFacts): WorkerRow[] {
  return workers.filter(({ expiresAt }) => expiresAt > now);
}

function hasLive(facts: WhyFacts): boolean {
  return livingWorkers(facts).length > 0;
}

function hintOfWorkers(facts: WhyFacts, otherwise: string): string {
  return hasLive(facts) ? otherwise : "start a worker: varve serve, or engine.work";
}

/** Workers live, and none of them can take it: for want of its code, or because none that has it serves its queue. */
function withoutWorker(facts: WhyFacts): WaitReason[] {
  const { row } = facts;
  const live = livingWorkers(facts);
  if (live.length === 0 || live.some((worker) => canTake(worker, row))) return [];
  const hasCode = live.some((worker) => canTake({ ...worker, queues: null }, row));
  return [
    { since: row.availableAt ?? row.lineAt, until: null, ...(hasCode ? unservedQueue(facts) : unknownCode(facts)) },
  ];
}

type Lack = Pick<WaitReason, "kind" | "name" | "text" | "hint">;

function unknownCode(facts: WhyFacts): Lack {
  const { workflow, version } = facts.row;
  const isKnown = livingWorkers(facts).some(({ programs }) => programs?.some((each) => each.workflow === workflow));
  return {
    kind: "version",
    name: `${workflow}@${version}`,
    text: isKnown
      ? `no worker has version ${version} of workflow "${workflow}"`
      : `no worker has the workflow "${workflow}", of which it is version ${version}`,
    hint: isKnown
      ? "start a worker that has this version too: a run keeps the version that it was started with"
      : "start a worker that has it",
  };
}

function unservedQueue(facts: WhyFacts): Lack {
  const { workflow, version, limits } = facts.row;
  const queue = queueOf(limits);
  const isServed = livingWorkers(facts).some(({ queues }) => servesQueue(queues, queue));
  const who = isServed ? `no worker that has version ${version} of workflow "${workflow}" serves` : "no worker serves";
  const what =
    queue === DEFAULT_QUEUE ? `the queue "${queue}", in which are runs without a queue` : `the queue "${queue}"`;
  return {
    kind: "worker",
    name: queueLine(queue),
    text: `${who} ${what}`,
    hint: `start a worker that serves it: varve serve --queues ${queue}, or engine.work({ queues: [${JSON.stringify(queue)}] })`,
  };
}

/** It has been granted less than it needs. */
function inLine(facts: WhyFacts): WaitReason[] {
  const waiting = [...facts.lines.values()].flatMap((found) =>
    found.mine.grantedAt === null ? [reasonOfLine(found)] : [],
  );
  return waiting.length > 0 ? [...waiting, ...withoutWorker(facts)] : unserved(facts);
}

function reasonOfLine(found: LineFacts): WaitReason {
  const { mine, places, held, ofKey, setting } = found;
  const { line, runId, fair } = mine;
  const holders = places.filter(({ grantedAt }) => grantedAt !== null).map((place) => place.runId);
  const waiting = ofKey ?? places.filter(({ grantedAt }) => grantedAt === null);
  const ahead = waiting.findIndex((place) => place.runId === runId);
  const slots = slotsOf(setting, mine);
  const isFull = held >= slots;
  const turns =
    fair === undefined
      ? ""
      : `; its position is among the runs of fairness key "${fair.key}", which take turns with others`;
  return {
    kind: isFull ? "slot" : "others",
    since: mine.requestedAt,
    until: null,
    name: line,
    holders: holders.slice(0, HOLDERS_MAX),
    slots,
    position: ahead < 0 ? null : ahead + 1,
    text: `${textOfLine(line, setting, held, slots)}${turns}`,
    hint: hintOfLine(setting, isFull),
  };
}

/** How many a line lets in. */
function slotsOf(setting: LineSetting | null, place: { readonly slots: number }): number {
  return setting?.paused === true ? 0 : (setting?.slots ?? place.slots);
}

function textOfLine(line: string, setting: LineSetting | null, held: number, slots: number): string {
  if (setting?.paused === true) return `${line} is paused`;
  if (held >= slots) return `${line} is full: ${held} of ${slots} have a place in it`;
  return `there is room in ${line}, but not in all that it needs: it takes all its places at once`;
}

function hintOfLine(setting: LineSetting | null, isFull: boolean): string {
  if (setting?.paused === true) return hintOfPaused(setting);
  if (!isFull) return "see what else it waits for";
  return "it is admitted when one of its holders gives its place back; else raise the limit, or cancel a holder";
}

function hintOfPaused({ line }: LineSetting): string {
  return `resume it: varve queues resume ${queueOfLine(line) ?? line}`;
}

/** What the code waits for, by the calls that it has made. */
function callReasons(facts: WhyFacts): WaitReason[] {
  const { state } = facts;
  if (state === null) return [];
  const open = [...state.calls.values()].filter(({ status, key }) => status === "open" && !isClosed(state, key));
  return [...open.flatMap((call) => reasonOfCall(facts, state, call) ?? []), ...slotReasons(facts, state)];
}

/** Steps that wait for a slot of their queue: the log knows nothing of them yet. */
function slotReasons({ row, locks }: WhyFacts, state: RunState): WaitReason[] {
  return [...locks].flatMap(([name, { places, setting }]) => {
    const waiting = places.filter(({ grantedAt }) => grantedAt === null);
    const mine = waiting.filter(({ runId, key }) => runId === row.id && state.locks?.has(key) !== true);
    return mine.map((place): WaitReason => {
      const key = place.key.replace(/@\d+$/, "");
      const paused = setting?.paused === true ? setting : null;
      return {
        kind: "slot",
        key,
        name,
        since: place.requestedAt,
        until: null,
        holders: holdersOf(places),
        slots: slotsOf(setting, place),
        position: waiting.indexOf(place) + 1,
        text: `"${key}" waits for a slot of ${name}${paused === null ? "" : ", which is paused"}`,
        hint:
          paused === null
            ? "it is granted when an attempt of those that have one ends; a time-out of steps bounds that"
            : hintOfPaused(paused),
      };
    });
  });
}

function holdersOf(line: readonly LockRow[]): string[] {
  const held = line.filter(({ grantedAt }) => grantedAt !== null);
  return held.slice(0, HOLDERS_MAX).map(({ runId }) => runId);
}

function reasonOfCall(facts: WhyFacts, state: RunState, call: CallState): WaitReason | null {
  const { key, dueAt } = call;
  const at = facts.events.find(({ seq }) => seq === call.firstSeq)?.at ?? null;
  const base = { key, since: at, until: dueAt };
  switch (call.kind) {
    case "timer":
      return { ...base, kind: "timer", text: `"${key}" waits for its time`, hint: "nothing: it goes on by itself" };
    case "wait": {
      const started = facts.events.findLast((event) => event.type === "wait.started" && event.key === key);
      const name = started?.type === "wait.started" ? started.data.signal : key;
      const hint = `send it: varve runs signal ${facts.row.id} ${name}`;
      return { ...base, kind: "signal", name, text: `"${key}" waits for the signal "${name}"`, hint };
    }
    case "child": {
      const runId = state.children?.get(key)?.runId;
      const text = `"${key}" waits for the run that it has started`;
      const hint =
        runId === undefined ? "nothing: it goes on by itself" : `see why that waits: varve runs why ${runId}`;
      return { ...base, kind: "child", ...(runId === undefined ? {} : { runId }), text, hint };
    }
    case "lock":
      return { ...base, ...reasonOfLock(facts, state, key) };
    case "step":
      if (call.attemptOpen)
        return {
          ...base,
          ...{ kind: "step", since: attemptAt(facts, call), until: null },
          text: `attempt ${call.attempt} of "${key}" is under way`,
          hint: "a step with a time-out cannot run for ever",
        };
      return dueAt === null ? null : (reasonOfBreaker(facts, call, dueAt) ?? reasonOfRetry(base));
    case "message": {
      const { topic, match } = awaited(facts, key);
      const which = match === undefined ? "" : ` of which ${match}`;
      const text = `"${key}" waits for a message on "${topic}"${which}`;
      return { ...base, kind: "message", name: topic, text, hint: `publish it: varve publish ${topic}` };
    }
    default:
      return null;
  }
}

function reasonOfRetry(base: Pick<WaitReason, "since" | "until"> & { readonly key: string }): WaitReason {
  return { ...base, kind: "retry", text: `"${base.key}" is tried again`, hint: "nothing: it goes on by itself" };
}

/** Null: no breaker that is known of would refuse the step's next attempt now. */
function reasonOfBreaker({ events, breakers, now }: WhyFacts, { key }: CallState, dueAt: number): WaitReason | null {
  const name = breakerOf(events, key);
  const state = name === undefined ? undefined : breakers.get(name);
  if (name === undefined || state === undefined || state.status === "closed" || state.until <= now) return null;
  const { status, since, until } = state;
  const next = `it lets somebody try in ${until - now} ms`;
  const isTooEarly = dueAt < until;
  return {
    ...{ kind: "breaker", key, name, since, until },
    text: `"${key}" is tried again in ${Math.max(0, dueAt - now)} ms, and the breaker "${name}" is ${status}: ${next}`,
    hint: isTooEarly
      ? "the attempt fails with BREAKER_OPEN if the breaker is not closed by then: a longer wait between attempts, or a fallback, helps"
      : "nothing: the attempt comes when the breaker lets somebody try",
  };
}

/** The breaker that a step's next attempt is up to. */
export function breakerOf(events: readonly RunEvent[], key: string): string | undefined {
  const failed = events.findLast((event) => event.type === "attempt.failed" && event.key === key);
  return failed?.type === "attempt.failed" ? failed.data.breaker : undefined;
}

function awaited({ events }: WhyFacts, key: string): { readonly topic: string; readonly match?: string } {
  const event = events.findLast(({ type, key: of }) => type === "message.awaited" && of === key);
  return event?.type === "message.awaited" ? event.data : { topic: key };
}

function attemptAt({ events }: WhyFacts, { key, attempt }: CallState): number | null {
  const started = (event: RunEvent) =>
    event.type === "attempt.started" && event.key === key && event.attempt === attempt;
  return events.findLast(started)?.at ?? null;
}

function reasonOfLock(
  { row, locks }: WhyFacts,
  state: RunState,
  key: string,
): Pick<WaitReason, "kind" | "text" | "hint" | "name" | "holders" | "position"> {
  const name = state.locks?.get(key)?.name ?? key;
  const line = locks.get(name)?.places ?? [];
  const ahead = line
    .filter(({ grantedAt }) => grantedAt === null)
    .findIndex((place) => place.runId === row.id && place.key === key);
  return {
    kind: "lock",
    name,
    holders: holdersOf(line),
    position: ahead < 0 ? null : ahead + 1,
    text: `"${key}" waits for the lock "${name}"`,
    hint: "it is granted when those before it let go of it; a holder can be cancelled",
  };
}
