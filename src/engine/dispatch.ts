/**
 * What a message comes to: which runs it starts, which waits it ends, which runs it cancels, with what it is gathered.
 *
 * Everything is decided from what the log says and written as one, under the guard of the message not having been
 * dispatched; so whoever dispatches, and however often, it happens once. What a function of a workflow's code has a part in
 * is decided only where that code is: else the message is left to another process.
 */
import { decodePayload } from "../kernel/codec.ts";
import { type EventOf, type EventRow, parseEvent, type Trigger } from "../kernel/events.ts";
import { toFailure } from "../kernel/failure.ts";
import { isTerminalStatus, RUN_STATUSES } from "../kernel/state.ts";
import { clipText } from "../kernel/text.ts";
import { validate } from "../kernel/validate.ts";
import type { WorkflowRef } from "../kernel/workflow-ref.ts";
import type { LogStore } from "../log/port.ts";
import type { InboxMessage } from "../log/port-inbox.ts";
import type {
  DispatchRow,
  GatheredMessage,
  GatheringRow,
  MessageDispatch,
  MessageRow,
  MessageStore,
  SubscriptionRow,
} from "../log/port-messages.ts";
import type { ChildStart } from "../log/port-write.ts";
import {
  judgeMessage,
  listensTo,
  type MatchedRun,
  type Message,
  matchesRun,
  type RunEnd,
  type Subscription,
  type SubscriptionText,
} from "../triggers/subscription.ts";
import { RUN_ENDS } from "../triggers/topic.ts";
import { childStart, encodeInput, type LimitedRun, type NewRunLimits } from "../worker/new-run.ts";
import { prepareStart } from "./start.ts";

/** A workflow that is registered here. */
export interface Listener extends WorkflowRef<never> {
  readonly subscriptions: readonly Subscription[];
}

export interface DispatchParts {
  readonly store: MessageStore & Pick<LogStore, "listRuns" | "runWindow">;
  /** By name the workflow that was registered last. */
  readonly listeners: ReadonlyMap<string, Listener>;
  readonly payloadBytesMax: number;
  readonly newRunId: () => string;
  /** The places that a run needs before it may begin; null: none. */
  readonly limitsOf: (run: LimitedRun) => NewRunLimits | null;
  /** The log's clock. */
  readonly now: () => Promise<number>;
}

/** What was done. `left`: it needs code that is not here. */
export type Dispatched = { readonly told: readonly string[]; readonly starts: boolean } | "left";

/** How many waits or runs are looked at at once. */
const PAGE = 200;

/** Through how many runs one read looks for those that a message may cancel. */
const WINDOW_ROWS = 5_000;

const LIVE = RUN_STATUSES.filter((status) => !isTerminalStatus(status));

const REASON_LENGTH_MAX = 1_000;

/** A batch's list takes this of what a run's input may be: the rest is for what an `input` function adds. */
const BATCH_SHARE = 0.9;

/** For a debounce no number of messages is enough. */
const NEVER_ENOUGH = Number.MAX_SAFE_INTEGER;

/** A subscription as it is stored, compiled with the functions that are here; null: some of it is not. */
function subscriptionOf(listeners: DispatchParts["listeners"], row: SubscriptionRow): Subscription | null {
  const text = JSON.parse(row.text) as SubscriptionText;
  const listener = listeners.get(row.workflow);
  const here = listener?.subscriptions.find(({ name }) => name === row.name);
  // Another version's function may mean something else.
  const isSame = here !== undefined && listener?.version === row.version && JSON.stringify(here.text) === row.text;
  if (isSame) return here;
  return text.needsCode ? null : { name: row.name, text, functions: {} };
}

function subjectOf({ workflow, name }: Pick<SubscriptionRow, "workflow" | "name">): string {
  return `${workflow}/${name}`;
}

/** Decides and writes what becomes of a message. */
export async function dispatchMessage(
  parts: DispatchParts,
  row: MessageRow,
  subscriptions: readonly SubscriptionRow[],
): Promise<Dispatched> {
  const message = messageOf(row);
  // Asked here: a log that does not answer is no reason to call an input invalid.
  const plan = new Plan(row.position, Math.floor(await parts.now()));
  for (const each of subscriptions) {
    if (!listensTo(JSON.parse(each.text) as SubscriptionText, message)) continue;
    const subscription = subscriptionOf(parts.listeners, each);
    if (subscription === null) return "left";
    if (subscription.text.kind === "cancel") await planCancels(parts, plan, each, subscription, row, message);
    else await planStart(parts, plan, each, subscription, row, message);
  }
  await planWaits(parts, plan, row, message);
  const told = await parts.store.dispatchMessage(plan);
  return { told, starts: plan.starts.length > 0 };
}

class Plan implements MessageDispatch {
  readonly position: number;
  readonly starts: { readonly subject: string; readonly start: ChildStart }[] = [];
  readonly cancels: { readonly subject: string; readonly mail: InboxMessage }[] = [];
  readonly waits: number[] = [];
  readonly gathered: GatheredMessage[] = [];
  readonly decisions: Pick<DispatchRow, "subject" | "decision" | "reason">[] = [];

  /** When its runs are created. */
  readonly at: number;

  constructor(position: number, at: number) {
    this.position = position;
    this.at = at;
  }

  decide(subject: string, decision: DispatchRow["decision"], reason: string): void {
    this.decisions.push({ subject, decision, reason: clipText(reason, REASON_LENGTH_MAX) });
  }
}

async function planStart(
  parts: DispatchParts,
  plan: Plan,
  subscribed: SubscriptionRow,
  subscription: Subscription,
  row: MessageRow,
  message: Message,
): Promise<void> {
  const subject = subjectOf(subscribed);
  const judged = judgeMessage(subscription, message);
  if (judged.kind === "filtered" || judged.kind === "invalid") plan.decide(subject, judged.kind, judged.reason);
  if (judged.kind === "gather") plan.gathered.push(gatheredBy(parts, subject, subscription.text, judged.key, row));
  if (judged.kind !== "start") return;
  try {
    const input = await inputOf(subscription, message);
    const key = `message/${row.position}/${subscribed.name}`.slice(0, 256);
    plan.starts.push({ subject, start: await startOf(parts, subscribed, input, plan.at, key, triggerOf(message)) });
  } catch (error) {
    plan.decide(subject, "invalid", `its input cannot be made: ${toFailure(error).message}`);
  }
}

function gatheredBy(
  { payloadBytesMax }: DispatchParts,
  subject: string,
  { gather }: SubscriptionText,
  key: string,
  row: MessageRow,
): GatheredMessage {
  const length = row.payload.length;
  const lengthMax = Math.floor(payloadBytesMax * BATCH_SHARE);
  const place = { subject, key, length, lengthMax };
  if (gather?.kind === "batch") {
    const { size, timeoutMs } = gather;
    return { ...place, kind: "batch", size, periodMs: timeoutMs, maxMs: timeoutMs };
  }
  const { periodMs, maxMs } = gather as Extract<typeof gather, { kind: "debounce" }>;
  return { ...place, kind: "debounce", size: NEVER_ENOUGH, periodMs, maxMs };
}

async function inputOf({ functions }: Subscription, message: Message): Promise<unknown> {
  return functions.input === undefined ? message.payload : await functions.input(message as Message<never>);
}

/** A run of the subscription's workflow, as a write of the decider holds it. */
async function startOf(
  parts: DispatchParts,
  { workflow, version }: SubscriptionRow,
  input: unknown,
  createdAt: number,
  idempotencyKey: string,
  trigger: Trigger,
): Promise<ChildStart> {
  const schema = parts.listeners.get(workflow)?.input;
  const checked = await validate(`the input of workflow "${workflow}"`, schema, input, "INPUT_INVALID");
  const run = {
    runId: parts.newRunId(),
    workflow,
    version,
    createdAt,
    input: encodeInput(checked, parts.payloadBytesMax),
  };
  const limitsAt = (availableAt: number) => parts.limitsOf({ ...run, availableAt });
  return childStart(prepareStart(run, { idempotencyKey, trigger }, limitsAt));
}

function triggerOf({ topic, id, payload }: Message): Trigger {
  if (!topic.startsWith(`${RUN_ENDS}.`)) return { kind: "message", source: topic, id };
  const { workflow, runId } = payload as RunEnd;
  return { kind: "run", source: workflow, id: runId };
}

/** Runs that were there when the message was published. */
async function planCancels(
  { store }: DispatchParts,
  plan: Plan,
  subscribed: SubscriptionRow,
  { text }: Subscription,
  row: MessageRow,
  message: Message,
): Promise<void> {
  const subject = subjectOf(subscribed);
  const before = plan.cancels.length;
  const at = row.publishedAt;
  for await (const ids of liveRuns(store, subscribed.workflow)) {
    for (const run of await createdRuns(store, ids)) {
      if (run.createdAt > at || !matchesRun(text.match, message, run)) continue;
      const reason = `message ${message.id} on ${message.topic}`;
      const token = `message/${row.position}/${run.id}`;
      plan.cancels.push({
        subject,
        mail: { runId: run.id, kind: "cancel", token, data: JSON.stringify({ reason }), at },
      });
    }
  }
  if (plan.cancels.length === before)
    plan.decide(subject, "filtered", "no run of the workflow that is under way is meant");
}

/** Runs of a workflow that are not over, newest first: window by window, by whatever index has the fewest of others. */
async function* liveRuns(store: DispatchParts["store"], workflow: string): AsyncGenerator<readonly string[]> {
  const filter = { workflow, status: LIVE };
  for (let before: string | null = null; ; ) {
    const window = await store.runWindow(filter, { before, rows: WINDOW_ROWS });
    const ids = (await store.listRuns(filter, { before, limit: WINDOW_ROWS, window })).map(({ id }) => id);
    for (let from = 0; from < ids.length; from += PAGE) yield ids.slice(from, from + PAGE);
    if (window.from === null) return;
    before = window.from;
  }
}

async function planWaits({ store }: DispatchParts, plan: Plan, row: MessageRow, message: Message): Promise<void> {
  for (let after = 0; ; ) {
    const waits = await store.listWaits(row.position, { after, limit: PAGE });
    const ofRun = waits.filter(({ match }) => match?.includes("run") === true).map(({ runId }) => runId);
    const runs = ofRun.length === 0 ? [] : await createdRuns(store, [...new Set(ofRun)]);
    const byId = new Map(runs.map((run) => [run.id, run]));
    for (const { id, runId, match } of waits) {
      if (matchesRun(match, message, byId.get(runId) ?? UNREAD)) plan.waits.push(id);
    }
    if (waits.length < PAGE) return;
    after = waits.at(-1)?.id as number;
  }
}

/** What an expression is given that asks for no run. */
const UNREAD: MatchedRun = { id: "", workflow: "", input: null, tags: {} };

async function createdRuns(
  store: MessageStore,
  runIds: readonly string[],
): Promise<readonly (MatchedRun & { readonly createdAt: number })[]> {
  return (await store.readCreated(runIds)).map(createdRun);
}

function createdRun(row: EventRow): MatchedRun & { readonly createdAt: number } {
  const { runId, at, data } = parseEvent(row) as EventOf<"run.created">;
  const { workflow, input, tags = {} } = data;
  return { id: runId, workflow, input: decodePayload(input), tags, createdAt: at };
}

/** Starts the run of what was gathered. */
export async function fireGathering(
  parts: DispatchParts,
  { id, subject, kind, count }: GatheringRow,
  subscriptions: readonly SubscriptionRow[],
): Promise<Dispatched> {
  const subscribed = subscriptions.find((row) => subjectOf(row) === subject);
  if (subscribed === undefined) {
    await parts.store.fireGathering({ id, count, start: null, reason: "nobody listens any more" });
    return { told: [], starts: false };
  }
  const subscription = subscriptionOf(parts.listeners, subscribed);
  if (subscription === null) return "left";
  const rows = await parts.store.readGathered(id, kind === "batch" ? count : 1);
  const messages = rows.map(messageOf);
  const last = messages.at(-1) as Message;
  const createdAt = Math.floor(await parts.now());
  let start: ChildStart | null = null;
  let reason: string | null = null;
  try {
    const inputs: unknown[] = [];
    for (const message of messages) inputs.push(await inputOf(subscription, message));
    const input = kind === "batch" ? inputs : inputs.at(-1);
    start = await startOf(parts, subscribed, input, createdAt, `gathering/${id}`, triggerOf(last));
  } catch (error) {
    reason = clipText(`its input cannot be made: ${toFailure(error).message}`, REASON_LENGTH_MAX);
  }
  await parts.store.fireGathering({ id, count, start, reason });
  return { told: [], starts: start !== null };
}

/** A message as expressions and functions see it. */
function messageOf({ topic, id, payload, at, tags }: MessageRow): Message {
  return { topic, id, payload: decodePayload(JSON.parse(payload)), at, tags };
}
