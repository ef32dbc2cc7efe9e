/** The engine: puts log, worker, bus and handles together. */
import { limitsOf, requireQueue } from "../admission/limits.ts";
import { isWorkflow, toProgram, type Workflow } from "../ctx/workflow.ts";
import { decodePayload, encodePayload, type Payload } from "../kernel/codec.ts";
import { parseDuration } from "../kernel/duration.ts";
import * as errors from "../kernel/errors.ts";
import { dataText, FORMAT_VERSION, parseEvent, type RunEvent } from "../kernel/events.ts";
import { type IdSource, idSource } from "../kernel/ids.ts";
import { type KeyedScope, keyedScopeText } from "../kernel/keyed.ts";
import type { KeyedOptions, KeyedValues } from "../kernel/keyed-values.ts";
import { ROOT_SCOPE } from "../kernel/keys.ts";
import { checkLimits, type Limits } from "../kernel/limits.ts";
import { checkNumbers, invalidOption } from "../kernel/options.ts";
import { requireServed } from "../kernel/pool.ts";
import type { Outbound, Ports } from "../kernel/ports.ts";
import { checkQueues, type QueueOptions, type Queues } from "../kernel/queues.ts";
import { type ResumeOptions, type ResumeSigner, resumeSigner } from "../kernel/resume.ts";
import { RUN_STATUSES, type RunStatus } from "../kernel/state.ts";
import { checkTags, NO_TAGS } from "../kernel/tags.ts";
import { checkName } from "../kernel/text.ts";
import { validate } from "../kernel/validate.ts";
import type { Why } from "../kernel/why.ts";
import { DEFAULT_VERSION, type Schema, type WorkflowRef } from "../kernel/workflow-ref.ts";
import type { LogStore } from "../log/port.ts";
import type { DeliveryRow } from "../log/port-deliveries.ts";
import type { MessageKind, MessageVerdict } from "../log/port-inbox.ts";
import type { RunFilter } from "../log/port-lists.ts";
import type { RunRow } from "../log/port-runs.ts";
import type { ProgramId } from "../log/port-workers.ts";
import type { ChildStart } from "../log/port-write.ts";
import { Bus, type BusEventName, type BusListener } from "../observe/bus.ts";
import type { Notifier } from "../outgoing/notifier.ts";
import { type NotifyEndpoint, openNotifier } from "../outgoing/notify.ts";
import type { ScheduleDefinition } from "../scheduler/definition.ts";
import type { RunOfSchedule } from "../scheduler/settle.ts";
import type { ScheduleTimes } from "../scheduler/spec.ts";
import { type Hook, isHook } from "../triggers/hook.ts";
import type { WebhookRequest } from "../triggers/scheme.ts";
import type { SecretResolver } from "../triggers/secrets.ts";
import type { Asked } from "../worker/host.ts";
import { childStart, createdEvent, encodeInput, type NewRun, type NewRunLimits, startRow } from "../worker/new-run.ts";
import { programKey, type WorkerOptions, type WorkerParts } from "../worker/options.ts";
import type { Program } from "../worker/recorder.ts";
import { Worker } from "../worker/worker.ts";
import type { Engine, Health, LockInfo, LocksOptions, TickResult, WorkerHandle, WorkflowInfo } from "./api.ts";
import type { DeliveryOutcome } from "./api-deliveries.ts";
import type { ApiKeys } from "./api-keys.ts";
import type {
  ListMessagesOptions,
  MessageDetail,
  MessagePage,
  PublishedMessage,
  PublishOptions,
} from "./api-messages.ts";
import type { Notifications } from "./api-notifications.ts";
import type { QueueControl } from "./api-queues.ts";
import type { Resumes } from "./api-resumes.ts";
import type { RerunOptions, RunHandle, RunInfo, StartedRun, StartOptions } from "./api-run.ts";
import type { BulkAction, BulkOptions, BulkResult, ListOptions, RunPage } from "./api-run-list.ts";
import { bulk } from "./bulk.ts";
import { Deliveries } from "./deliveries.ts";
import type { Listener } from "./dispatch.ts";
import { Handle, type HandleHost } from "./handle.ts";
import { ApiKeyRing } from "./keys.ts";
import { OutsideKv } from "./kv.ts";
import { Messages, type MessagesOptions, retentionOf } from "./messages.ts";
import { OutgoingNotifications } from "./notifications.ts";
import { RunQueues } from "./queues.ts";
import { openOperations, reopenedFrom } from "./reopen.ts";
import { engineClosed, notFound, Results } from "./results.ts";
import { SignedResumes } from "./resumes.ts";
import { deliveriesMsOf, type RetentionOptions, RetentionSweep } from "./retention.ts";
import { runInfo } from "./run-info.ts";
import { listRuns } from "./run-list.ts";
import { EngineSchedules } from "./schedules.ts";
import { openSession, type Session } from "./session.ts";
import { Shutdown } from "./shutdown.ts";
import { isSameInput, PendingStart, prepareStart } from "./start.ts";
import { tail } from "./tail.ts";
import { waiting, why } from "./why.ts";

/** What an engine is made of, whatever the runtime. */
export interface EngineParts {
  readonly store: LogStore;
  readonly ports: Ports;
  readonly workflows: readonly Workflow<never, unknown, never, never>[];
  readonly hooks?: readonly Hook[];
  /** Schedules that the code declares. Those of its workflows that it declared before and does not any more are paused. */
  readonly schedules?: readonly ScheduleDefinition[];
  /** What computes timetables. @default what the first of `schedules` brings along */
  readonly times?: ScheduleTimes;
  readonly env?: unknown;
  readonly limits?: Partial<Limits>;
  /** Finds the secrets that hooks and endpoints name. */
  readonly secrets?: SecretResolver | undefined;
  readonly retention?: RetentionOptions;
  readonly queues?: Queues;
  /** Any name is a queue's and a workflow's: for replays, which have one workflow and no options. @default false */
  readonly knowsAll?: boolean;
  /** How `ctx.resumeUrl` makes addresses. @default it makes none */
  readonly resume?: ResumeOptions;
  /** Endpoints that are told of events. */
  readonly notify?: readonly NotifyEndpoint[];
  /** How they are reached. @default not at all */
  readonly outbound?: Outbound;
  /** Each call works alone, and nothing goes on between calls: for isolates. @default false */
  readonly isolated?: boolean;
  readonly asked?: Asked | undefined;
  readonly messages?: MessagesOptions;
  /** Whether what is too old is taken away as time goes by. A testing kit, whose time is made by its timers, does without. @default true */
  readonly sweeps?: boolean;
}

/** How long `close` waits for the last writes. */
const CLOSE_MS = 10_000;

/** A tick's lease outlasts its budget by so much, for the last write. No body outlasts the budget. */
const TICK_LEASE_MARGIN_MS = 2_000;

/** The longest budget of a tick: the time for which nobody else can take what it left behind. */
const BUDGET_MS_MAX = 3_600_000;

/** A late outcome may come between the read of a history and what is to follow it. */
const RETRY_TRIES = 3;

const PAGE_DEFAULT = 50;
const PAGE_MAX = 500;

const HISTORY_RANGES = {
  afterSeq: [0, Number.MAX_SAFE_INTEGER],
  limit: [0, Number.MAX_SAFE_INTEGER],
} as const;

/**
 * An engine of its parts.
 *
 * @throws DefinitionError for a workflow or hook that cannot be served
 */
export async function createEngineOf(parts: EngineParts): Promise<Engine> {
  const { logger } = parts.ports;
  if (typeof logger?.log !== "function") throw invalidOption("logger", "an object with a function log", logger);
  const engine = new EngineOfParts(parts);
  // A hook that cannot verify anything must not be served: it fails here, not at its first request.
  for (const { name, scheme } of parts.hooks ?? []) {
    await scheme.check(parts.secrets);
    if (scheme.warning !== undefined) logger.log("warn", scheme.warning, { hook: name, scheme: scheme.name });
  }
  await engine.schedules.check();
  await engine.notifier?.check();
  return engine;
}

class EngineOfParts implements Engine, HandleHost {
  readonly store: LogStore;
  readonly results: Results;
  readonly keys: ApiKeys;
  readonly resumes: Resumes;
  readonly schedules: EngineSchedules;
  readonly deliveries: Deliveries;
  readonly notifications: Notifications;
  readonly queues: QueueControl;
  readonly #ports: Ports;
  readonly #limits: Limits;
  readonly #env: unknown;
  readonly #asked: Asked | undefined;
  readonly #signer: ResumeSigner | null;
  readonly #bus: Bus;
  /** What wakes those who wait for something in the log. */
  readonly #news: Bus;
  readonly #programs: ReadonlyMap<string, Program>;
  readonly #workflows: ReadonlyMap<string, WorkflowRef>;
  /** By program. */
  readonly #definitions: ReadonlyMap<string, WorkflowRef>;
  readonly #queues: ReadonlyMap<string, QueueOptions>;
  readonly #knowsAll: boolean;
  readonly #session: Session | null;
  readonly notifier: Notifier | null;
  readonly #newRunId: IdSource;
  readonly #newToken: IdSource;
  readonly #messages: Messages;
  readonly #sweep: RetentionSweep;
  readonly #sweeps: boolean;
  readonly #workers = new Set<Worker>();
  readonly #shutdown = new Shutdown();
  /** Monotonic time since when the database takes no writes. */
  #storeFailingSince: number | null = null;
  #hasReleasedStuck = false;
  #closed: Promise<void> | null = null;

  constructor(parts: EngineParts) {
    const { store, ports } = parts;
    this.store = store;
    this.#ports = ports;
    this.#limits = checkLimits(parts.limits ?? {});
    this.#env = parts.env;
    this.#asked = parts.asked;
    this.#signer = parts.resume === undefined ? null : resumeSigner(parts.resume);
    this.resumes = new SignedResumes(this.#signer, (runId) => this.run(runId));
    this.#bus = new Bus(ports.logger);
    // Requests of an isolate must not wake each other, so there nobody tells: who waits looks.
    this.#news = parts.isolated === true ? new Bus(ports.logger) : this.#bus;
    this.#programs = programsOf(parts.workflows);
    this.#workflows = latestOf(parts.workflows);
    this.#definitions = definitionsOf(parts.workflows);
    this.#queues = checkQueues(parts.queues ?? {});
    this.#knowsAll = parts.knowsAll === true;
    for (const { name, rules } of this.#definitions.values())
      if (rules?.queue !== undefined && parts.knowsAll !== true) requireQueue(this.#queues, rules.queue, name);
    this.deliveries = this.#openDeliveries(parts);
    this.#session = parts.isolated === true ? null : openSession(store, ports, this.#bus);
    this.#newRunId = idSource("run", ports);
    this.#newToken = idSource("msg", ports);
    this.results = new Results({
      store,
      clock: ports.clock,
      bus: this.#news,
      shutdown: this.#shutdown,
      isUnderWay: (runId) => [...this.#workers].some((worker) => worker.isAt(runId)),
    });
    const { clock, random } = ports;
    const keyParts = { store, clock, random, now: () => this.#now(), checkOpen: () => this.#checkOpen() };
    this.keys = new ApiKeyRing(keyParts);
    this.schedules = this.#openSchedules(parts);
    this.#messages = new Messages({
      store,
      ports,
      options: parts.messages,
      listeners: latestOf(parts.workflows),
      isolated: parts.isolated === true,
      payloadBytesMax: this.#limits.payloadBytesMax,
      newRunId: () => this.#newRunId(),
      limitsOf: ({ workflow, version, input, availableAt }) =>
        this.#limitsOf({ name: workflow, version }, input, { availableAt }),
      now: () => this.#now(),
      reached: (runIds, started) => this.#reached(runIds, started),
    });
    this.#sweeps = parts.sweeps ?? true;
    this.#sweep = new RetentionSweep({
      ...{ store, clock, logger: ports.logger, now: () => this.#now() },
      deliveriesMs: deliveriesMsOf(parts.retention ?? {}),
      messagesMs: retentionOf(parts.messages),
    });
    this.notifier = openNotifier(parts.notify ?? [], {
      ...{ store, clock, logger: ports.logger, bus: this.#news, now: () => this.#now() },
      ...{ outbound: parts.outbound, secrets: parts.secrets },
      newHolder: idSource("send", ports),
    });
    this.notifications = new OutgoingNotifications({
      store: () => {
        this.#checkOpen();
        return store;
      },
      checkLimit,
      changed: (endpoint) => this.notifier?.nudge(endpoint),
    });
    this.queues = new RunQueues({
      ...{ store, queues: this.#queues, now: () => this.#now(), checkOpen: () => this.#checkOpen() },
      changed: () => {
        for (const worker of this.#workers) void worker.locksGranted();
      },
    });
    this.#watchStore();
  }

  #openSchedules({ schedules, times }: EngineParts): EngineSchedules {
    const { store } = this;
    for (const end of ["run.completed", "run.failed", "run.cancelled"] as const) {
      this.#bus.on(end, () => this.schedules.loop.runEnded());
    }
    return new EngineSchedules({
      store,
      ports: this.#ports,
      times: times ?? schedules?.[0]?.times ?? null,
      declared: schedules ?? null,
      workflows: this.#workflows,
      now: () => this.#now(),
      checkOpen: () => this.#checkOpen(),
      checkLimit,
      newToken: () => this.#newToken(),
      inputOf: (workflow, version, input) => {
        const ref = version === null ? this.#workflows.get(workflow) : undefined;
        return this.#inputOf({ workflow, version: version ?? ref?.version ?? "" }, input);
      },
      startOf: (run) => this.#startOf(run),
      changed: (starts, tells) => {
        const created = starts.map(({ start, created: event }) =>
          parseEvent({ ...event, runId: start.runId, seq: 1, epoch: 0, position: 0 }),
        );
        this.#bus.publish(created);
        for (const worker of this.#workers) {
          for (const { availableAt } of starts) worker.dueAt(availableAt);
          for (const { runId } of tells) void worker.mailArrived(runId);
        }
      },
    });
  }

  #startOf({ definition, idempotencyKey, trigger, ...run }: RunOfSchedule & { readonly version: string }): ChildStart {
    const { input, tags, deadlineMs } = definition;
    const options = { idempotencyKey, trigger, tags, ...(deadlineMs === null ? {} : { deadline: deadlineMs }) };
    const ref = { name: run.workflow, version: run.version };
    const limitsAt = (availableAt: number) => this.#limitsOf(ref, input, { availableAt });
    return childStart(prepareStart({ ...run, runId: this.#newRunId(), input }, options, limitsAt));
  }

  /** What was decided has told runs something, or started some. */
  #reached(runIds: readonly string[], started: boolean): void {
    const { reached } = reachOf(() => this.#workers, this.#supersedes);
    reached(runIds, started ? this.#ports.clock.now() : null);
  }

  get ports(): Ports {
    return this.#ports;
  }

  // ---- Runs ----

  async start(workflow: WorkflowRef | string, input?: unknown, options: StartOptions = {}): Promise<StartedRun<never>> {
    this.#checkOpen();
    const ref = typeof workflow === "string" ? this.#workflowNamed(workflow) : workflow;
    const parsed = validate(`the input of workflow "${ref.name}"`, ref.input, input, "INPUT_INVALID");
    // At once if the schema allows it: the caller may go on to change what it gave.
    const encoded = encodeInput(parsed instanceof Promise ? await parsed : parsed, this.#limits.payloadBytesMax);
    return (await this.#start(ref, encoded, options)) as StartedRun<never>;
  }

  async #start(
    ref: Pick<WorkflowRef, "name" | "version" | "rules">,
    input: Payload,
    options: StartOptions & { delivery?: DeliveryRow },
  ): Promise<StartedRun> {
    const createdAt = Math.floor(await this.#now());
    const run = { runId: this.#newRunId(), workflow: ref.name, version: ref.version, createdAt, input };
    const start = prepareStart(run, options, (availableAt) => this.#limitsOf(ref, input, { availableAt, ...options }));
    const { runId, created } = await this.#write(start);
    const skipped = !created && (await this.#isSkipped(runId, start));
    if (!created && !skipped && start.delivery === null) await this.#checkSameInput(runId, start);
    return Object.assign(new Handle<unknown>(this, runId), { created, skipped });
  }

  /** The places that a run of `ref` needs; null: it may begin at once. */
  #limitsOf(
    { name, version, rules }: Pick<WorkflowRef, "name" | "version" | "rules">,
    payload: Payload,
    start: { readonly availableAt: number; readonly queue?: string; readonly priority?: number },
  ): NewRunLimits | null {
    const { availableAt, queue, priority } = start;
    const known = rules ?? this.#definitions.get(programKey({ workflow: name, version }))?.rules;
    const input = () => decodePayload(payload);
    return limitsOf(known, { workflow: name, availableAt, queue, priority, input }, this.#queues);
  }

  /** Queues the start: taken by a worker of this process if one has room, else pending for any. */
  async #write(start: NewRun): Promise<{ runId: string; created: boolean }> {
    const { writer } = this.#openSession();
    const program = this.#programs.get(programKey(start));
    const isDue = start.availableAt <= start.createdAt && start.limits === null;
    const worker = isDue ? [...this.#workers].find((candidate) => candidate.canTake(start)) : undefined;
    if (worker !== undefined && program !== undefined) {
      const execution = worker.take(program, createdEvent(start, worker.id));
      const written = writer.start(startRow(start, worker.id), execution);
      execution.begin([], false);
      const verdict = await written;
      if (verdict !== null) return verdict;
      // The worker lost its lease, or stopped, before the write: somebody else will have the run.
    }
    const pending = new PendingStart(start, (created) => {
      this.#bus.publish([created]);
      for (const each of this.#workers) {
        if (start.availableAt <= start.createdAt) each.created(created);
        else each.dueAt(start.availableAt);
      }
    });
    const verdict = await writer.start(startRow(start, null), pending);
    // What stood in its way as a singleton has just ended.
    return verdict ?? (await this.#write(start));
  }

  /** Whether a start came to a run under way whose singleton it would be; not if that has its idempotency key. */
  async #isSkipped(runId: string, { idempotencyKey, limits }: NewRun): Promise<boolean> {
    if (limits === null || limits.singleton === null) return false;
    const row = await this.store.getRun(runId);
    return row?.singleton === limits.singleton && (idempotencyKey === null || row.idempotencyKey !== idempotencyKey);
  }

  async #checkSameInput(runId: string, start: NewRun): Promise<void> {
    const [created] = await this.history(runId, { limit: 1 });
    if (created?.type !== "run.created" || isSameInput(created.data.input, start.input)) return;
    throw new errors.ConflictError(
      "IDEMPOTENCY_CONFLICT",
      `expected a start with the idempotency key ${JSON.stringify(start.idempotencyKey)} to have the input of the run that has it, ${runId}, but found another input; use another key`,
      { runId, workflow: start.workflow, idempotencyKey: start.idempotencyKey },
    );
  }

  #workflowNamed(name: string): WorkflowRef {
    const found = this.#workflows.get(name);
    if (found !== undefined) return found;
    const known = [...this.#workflows.keys()].sort().join(", ") || "none";
    throw new errors.NotFoundError(
      "WORKFLOW_UNKNOWN",
      `expected a registered workflow, but found ${JSON.stringify(name)}; registered: ${known}`,
      { name },
    );
  }

  run(workflow: WorkflowRef<never, unknown, never> | string, id?: string): RunHandle<never> {
    const runId = id ?? (workflow as string);
    return new Handle<never>(this, checkName("the id of a run", runId));
  }

  async list(options: ListOptions = {}): Promise<RunPage> {
    this.#checkOpen();
    const limit = checkLimit(options.limit);
    const before = options.cursor === undefined ? null : checkName("the cursor of a list", options.cursor);
    const { rows, cursor } = await listRuns({ store: this.store, drain: this.#ports.drain }, filterOf(options), {
      before,
      limit,
    });
    return { runs: await this.infos(rows), cursor };
  }

  async infos(rows: readonly RunRow[]): Promise<RunInfo<never>[]> {
    const waits = await waiting({ store: this.store, now: () => this.#now() }, rows);
    return rows.map((row) => runInfo(row, waits.get(row.id) ?? null));
  }

  async why(runId: string): Promise<Why> {
    this.#checkOpen();
    return await why({ store: this.store, now: () => this.#now(), history: (id) => this.history(id) }, runId);
  }

  async history(
    runId: string,
    options: { readonly afterSeq?: number; readonly limit?: number } = {},
  ): Promise<RunEvent[]> {
    this.#checkOpen();
    const defaults = { afterSeq: 0, limit: this.#limits.historyEventsMax * 2 };
    const { afterSeq, limit } = checkNumbers("history", options, defaults, HISTORY_RANGES);
    const events: RunEvent[] = [];
    while (events.length < limit) {
      const after = events.at(-1)?.seq ?? afterSeq;
      const size = Math.min(PAGE_MAX, limit - events.length);
      const rows = await this.store.readHistory(runId, { afterSeq: after, limit: size });
      events.push(...rows.map(parseEvent));
      if (rows.length < size) break;
    }
    return events;
  }

  tail(
    options: { readonly after?: number; readonly runId?: string; readonly signal?: AbortSignal } = {},
  ): AsyncIterable<RunEvent> {
    this.#checkOpen();
    const { after = 0, runId = null, signal = null } = options;
    const parts = { store: this.store, bus: this.#news, clock: this.#ports.clock, shutdown: this.#shutdown };
    return tail(parts, { after, runId, signal });
  }

  kv(scope: KeyedScope, options?: KeyedOptions<Schema>): KeyedValues<never, unknown> {
    const store = () => {
      this.#checkOpen();
      return this.store;
    };
    // What values there are, the overloads of the interface say; here it is whatever the schema lets through.
    return new OutsideKv(store, keyedScopeText(scope), options?.schema) as unknown as KeyedValues<never, unknown>;
  }

  async locks(options: LocksOptions = {}): Promise<LockInfo[]> {
    this.#checkOpen();
    const name = options.name === undefined ? null : checkName("the name of a lock", options.name);
    const places = await this.store.listLocks({ name, limit: checkLimit(options.limit) });
    return places.map(({ name: lock, runId, key, requestedAt, grantedAt }) => {
      return { name: lock, runId, step: key, requestedAt, grantedAt };
    });
  }

  async publish(topic: string, payload?: unknown, options: PublishOptions = {}): Promise<PublishedMessage> {
    this.#checkOpen();
    return await this.#messages.publish(topic, payload, options);
  }

  async messages(options: ListMessagesOptions = {}): Promise<MessagePage> {
    this.#checkOpen();
    return await this.#messages.list(options, checkLimit(options.limit));
  }

  async message(topic: string, id: string): Promise<MessageDetail> {
    this.#checkOpen();
    return await this.#messages.show(topic, id);
  }

  async lastPosition(): Promise<number> {
    this.#checkOpen();
    return await this.store.lastPosition();
  }

  workflows(): readonly WorkflowInfo[] {
    const versions = new Map<string, string[]>();
    for (const { workflow, version } of this.#programs.values()) {
      versions.set(workflow, [...(versions.get(workflow) ?? []), version]);
    }
    return [...versions.keys()].sort().map((name) => ({ name, versions: versions.get(name) ?? [] }));
  }

  health(): Health {
    this.#checkOpen();
    const since = this.#storeFailingSince;
    return { storeFailingMs: since === null ? null : this.#ports.clock.monotonic() - since };
  }

  #watchStore(): void {
    for (const end of ["run.completed", "run.failed", "run.cancelled"] as const) {
      this.#bus.on(end, () => this.#messages.runEnded());
    }
    this.#bus.on("store.failing", () => {
      this.#storeFailingSince ??= this.#ports.clock.monotonic();
    });
    this.#bus.on("store.recovered", () => {
      this.#storeFailingSince = null;
    });
  }

  on<N extends BusEventName>(name: N, listener: BusListener<N>): () => void {
    return this.#bus.on(name, listener);
  }

  async send(
    runId: string,
    kind: MessageKind,
    data: object,
    token: string = this.#newToken(),
  ): Promise<MessageVerdict> {
    this.#checkOpen();
    const at = Math.floor(await this.#now());
    const { writer } = this.#openSession();
    const verdict = await writer.send({ runId, kind, token, data: dataText(data), at });
    if (verdict === "accepted") await this.#told(runId);
    return verdict;
  }

  async signalOf(row: RunRow, name: string, payload: unknown): Promise<Payload> {
    const signals = this.#definitions.get(programKey(row))?.signals;
    if (signals !== undefined && !Object.hasOwn(signals, name)) throw unknownSignal(row, name, Object.keys(signals));
    const what = `signal "${name}" of workflow "${row.workflow}"`;
    const parsed = validate(what, signals?.[name], payload, "SIGNAL_INVALID");
    return encodePayload(parsed instanceof Promise ? await parsed : parsed, this.#limits.payloadBytesMax);
  }

  async retry(runId: string): Promise<void> {
    for (let tries = 0; tries < RETRY_TRIES; tries++) {
      const history = await this.history(runId);
      const last = history.at(-1);
      if (last === undefined) throw notFound(runId);
      const at = Math.max(last.at, Math.floor(await this.#now()));
      const from = reopenedFrom(history);
      const data = dataText({ from });
      const scope = history.some(({ type }) => type === "scope.started") ? ROOT_SCOPE : null;
      const event = { type: "run.reopened", v: FORMAT_VERSION, key: null, scope, attempt: null, at, data };
      if (await this.store.reopen({ runId, seq: last.seq + 1, event, open: openOperations(history, from) })) {
        for (const worker of this.#workers) worker.dueAt(at);
        return;
      }
    }
    throw await this.#notReopened(runId);
  }

  async #notReopened(runId: string): Promise<errors.ConflictError> {
    const row = await this.store.getRun(runId);
    if (row === null || row.singleton === null || !["failed", "cancelled"].includes(row.status)) return notOver(runId);
    // One that has just been started is in no line yet.
    const [place] = await this.store.listPlaces({ line: row.singleton, limit: 1 });
    return singletonBusy(row, place?.runId ?? null);
  }

  async rerun(runId: string, options: RerunOptions): Promise<StartedRun> {
    const [created] = await this.history(runId, { limit: 1 });
    if (created?.type !== "run.created") throw notFound(runId);
    const { workflow, version, tags = NO_TAGS } = created.data;
    const { input: edited, ...rest } = options;
    const isEdited = Object.hasOwn(options, "input");
    const input = isEdited ? await this.#inputOf({ workflow, version }, edited) : created.data.input;
    return await this.#start({ name: workflow, version }, input, { ...rest, tags });
  }

  /** An input as its workflow's schema has it, if that is known here. */
  async #inputOf(program: ProgramId, input: unknown): Promise<Payload> {
    const ref = this.#definitions.get(programKey(program));
    const parsed = await validate(`the input of workflow "${program.workflow}"`, ref?.input, input, "INPUT_INVALID");
    return encodeInput(parsed, this.#limits.payloadBytesMax);
  }

  async bulk(action: BulkAction, options: BulkOptions): Promise<BulkResult> {
    this.#checkOpen();
    return await bulk(this, action, options);
  }

  async deliver(hookName: string, request: Omit<WebhookRequest, "receivedAt">): Promise<DeliveryOutcome> {
    this.#checkOpen();
    const receivedAt = Math.floor(this.#ports.clock.now());
    return await this.deliveries.deliver(hookName, { ...request, receivedAt });
  }

  #openDeliveries({ store, ports, hooks = [], secrets }: EngineParts): Deliveries {
    return new Deliveries({
      store,
      ports,
      secrets,
      hooks: hooksOf(hooks),
      payloadBytesMax: this.#limits.payloadBytesMax,
      checkOpen: () => this.#checkOpen(),
      checkLimit,
      start: (workflow, input, options) => this.#start(workflow, input, options),
      run: (runId) => new Handle(this, runId),
      signalOf: (row, name, payload) => this.signalOf(row, name, payload),
      told: (runId) => this.#told(runId),
    });
  }

  /** Mail for a run has been stored. */
  async #told(runId: string): Promise<void> {
    for (const worker of this.#workers) await worker.mailArrived(runId);
  }

  // ---- Work ----

  async work(options: WorkerOptions = {}): Promise<WorkerHandle> {
    this.#checkOpen();
    if (this.#session === null) {
      throw new errors.DefinitionError(
        "NO_LOOPS",
        "expected engine.tick in an isolate, but found engine.work: nothing runs between its requests",
      );
    }
    requireServed("worker.queues", options.queues, this.#queues.keys());
    const worker = new Worker(
      this.#workerParts(
        this.#session,
        reachOf(() => this.#workers, this.#supersedes),
      ),
      options,
    );
    this.#workers.add(worker);
    try {
      await worker.start();
      await this.schedules.start();
      this.#messages.start();
      this.notifier?.start();
      if (this.#sweeps) this.#sweep.start();
    } catch (error) {
      this.#workers.delete(worker);
      throw error;
    }
    return {
      get id() {
        return worker.id;
      },
      get activeRuns() {
        return worker.activeRuns;
      },
      stop: async (stop = {}) => {
        if (this.#workers.size === 1 && this.#workers.has(worker)) await this.schedules.loop.stop();
        await worker.stop(stop.deadline === undefined ? undefined : parseDuration(stop.deadline));
        this.#workers.delete(worker);
      },
    };
  }

  async tick(options: { readonly budgetMs: number; readonly queues?: readonly string[] }): Promise<TickResult> {
    this.#checkOpen();
    const { budgetMs, queues } = options;
    if (!(budgetMs > 0 && budgetMs <= BUDGET_MS_MAX))
      throw new errors.DefinitionError(
        "BUDGET_INVALID",
        `expected budgetMs above 0 and at most ${BUDGET_MS_MAX}, but found ${String(budgetMs)}`,
      );
    requireServed("tick.queues", queues, this.#queues.keys());
    await this.#releaseStuck();
    const endsAt = this.#ports.clock.monotonic() + budgetMs;
    const scheduled = await this.schedules.tick(() => this.#ports.clock.monotonic() >= endsAt);
    const listened = await this.#messages.look();
    const leaseMs = Math.ceil(budgetMs) + TICK_LEASE_MARGIN_MS;
    const parts = this.#workerParts(
      this.#openSession(),
      reachOf(() => [worker], this.#supersedes),
    );
    const serves = queues === undefined ? {} : { queues };
    const worker: Worker = new Worker(parts, { leaseMs, ...serves }, { ms: budgetMs });
    const done = await worker.tick();
    // What has ended may start something.
    const dueAt = this.#messages.listens ? await this.#messages.look() : listened;
    const told = await this.notifier?.tick(() => this.#ports.clock.monotonic() >= endsAt);
    // An idle tick costs no more than its looks.
    if (done.worked) await this.#sweep.step();
    return {
      more: done.more || scheduled.more || told?.more === true,
      nextAt: [scheduled.nextAt, dueAt, told?.nextAt ?? null].reduce(earlier, done.nextAt),
    };
  }

  /** An engine is new code, which may go on with what older code could not. Once: a tick that follows is the same code. */
  async #releaseStuck(): Promise<void> {
    if (this.#hasReleasedStuck) return;
    await this.store.releaseStuck([...this.#programs.values()].map(({ workflow, version }) => ({ workflow, version })));
    this.#hasReleasedStuck = true;
  }

  #workerParts(session: Session, reach: Reach): WorkerParts {
    const { store } = this;
    return {
      store,
      ...session,
      ports: this.#ports,
      bus: this.#bus,
      programs: this.#programs,
      limits: this.#limits,
      env: this.#env,
      resumes: this.#signer,
      asked: this.#asked,
      newRunId: () => this.#newRunId(),
      limitsOf: ({ workflow, version, input, availableAt }) =>
        this.#limitsOf({ name: workflow, version }, input, { availableAt }),
      queueSlots: (queue) => this.#queues.get(queue)?.concurrency ?? (this.#knowsAll ? 1 : null),
      versionOf: (workflow) => this.#workflows.get(workflow)?.version ?? (this.#knowsAll ? DEFAULT_VERSION : null),
      hasLines: this.#queues.size > 0 || [...this.#definitions.values()].some(({ rules }) => rules !== undefined),
      ...reach,
    };
  }

  /** Whether a workflow is a singleton whose newest run takes the place of the one before. */
  get #supersedes(): boolean {
    return [...this.#definitions.values()].some(({ rules }) => rules?.singleton?.mode === "cancel");
  }

  #openSession(): Session {
    return this.#session ?? openSession(this.store, this.#ports, this.#bus);
  }

  async #now(): Promise<number> {
    return this.store.localClock ? this.#ports.clock.now() : await this.store.now();
  }

  #checkOpen(): void {
    if (this.#closed !== null) throw engineClosed();
  }

  close(options: { readonly deadline?: Parameters<typeof parseDuration>[0] } = {}): Promise<void> {
    const deadlineMs = options.deadline === undefined ? undefined : parseDuration(options.deadline);
    this.#closed ??= this.#close(deadlineMs);
    return this.#closed;
  }

  async #close(deadlineMs: number | undefined): Promise<void> {
    await this.schedules.loop.stop();
    await this.#sweep.stop();
    await this.#messages.close();
    await Promise.all([...this.#workers].map((worker) => worker.stop(deadlineMs)));
    this.#workers.clear();
    await this.notifier?.stop();
    await this.#session?.writer.settled(CLOSE_MS);
    this.#shutdown.trigger();
    this.#session?.writer.close(engineClosed());
    await this.store.close();
  }
}

function programsOf(workflows: EngineParts["workflows"]): Map<string, Program> {
  if (!Array.isArray(workflows)) throw invalidOption("workflows", "a list of workflows", workflows);
  const programs = new Map<string, Program>();
  for (const definition of workflows) {
    if (!isWorkflow(definition)) {
      throw new errors.DefinitionError(
        "WORKFLOW_INVALID",
        "expected workflows that `workflow(...)` or `.implement(...)` returned, but found something else",
      );
    }
    const program = toProgram(definition);
    const key = programKey(program);
    if (programs.has(key)) {
      throw new errors.DefinitionError(
        "WORKFLOW_INVALID",
        `expected each workflow and version once, but found ${key} twice`,
        { key },
      );
    }
    programs.set(key, program);
  }
  return programs;
}

/** By name the workflow that a start by name means: the one that was registered last. */
function latestOf(workflows: EngineParts["workflows"]): Map<string, WorkflowRef & Listener> {
  // A definition wants its own input, a reference any: whoever starts by it validates what is given.
  return new Map(workflows.map((definition) => [definition.name, definition as unknown as WorkflowRef & Listener]));
}

/** By program. */
function definitionsOf(workflows: EngineParts["workflows"]): Map<string, WorkflowRef> {
  // As above.
  const refs = workflows.map((definition) => definition as unknown as WorkflowRef);
  return new Map(refs.map((ref) => [programKey({ workflow: ref.name, version: ref.version }), ref]));
}

type Reach = Pick<WorkerParts, "reached" | "freed" | "arrived">;

/**
 * Tells the workers of a process what one of them has done to other runs. `supersedes`: whether a run that gets in line may
 * take the place of another.
 */
function reachOf(workers: () => Iterable<Worker>, supersedes: boolean): Reach {
  let isFreed = false;
  return {
    reached: (runIds, dueAt) => {
      for (const worker of workers()) {
        for (const runId of runIds) void worker.mailArrived(runId);
        if (dueAt !== null) worker.dueAt(dueAt);
      }
    },
    // One look for all that end in a write: who waits is looked for among all runs.
    freed: () => {
      if (isFreed) return;
      isFreed = true;
      void Promise.resolve().then(() => {
        isFreed = false;
        for (const worker of workers()) void worker.locksGranted();
      });
    },
    arrived: () => {
      if (supersedes) for (const worker of workers()) void worker.mayHaveMail();
    },
  };
}

function unknownSignal({ id, workflow }: RunRow, name: string, known: readonly string[]): errors.DefinitionError {
  const names = known.length === 0 ? "none" : known.map((each) => JSON.stringify(each)).join(", ");
  return new errors.DefinitionError(
    "SIGNAL_UNKNOWN",
    `expected a signal that workflow "${workflow}" declares (${names}), but found ${JSON.stringify(name)}`,
    { runId: id, workflow, signal: name },
  );
}

function singletonBusy({ id, workflow }: RunRow, busyId: string | null): errors.ConflictError {
  const other = busyId === null ? "another run of it" : `run ${busyId}`;
  return new errors.ConflictError(
    "SINGLETON_BUSY",
    `expected no other run of the singleton "${workflow}" to be under way while run ${id} is retried, but ${other} is; retry it when that has ended`,
    { runId: id, workflow, ...(busyId === null ? {} : { busyId }) },
  );
}

function notOver(runId: string): errors.ConflictError {
  return new errors.ConflictError(
    "RUN_NOT_OVER",
    `expected run ${runId} to have failed or to have been cancelled, but it has not; a run that is stuck goes on with fixed code by itself, and one that has completed can be run again by rerun`,
    { runId },
  );
}

function hooksOf(hooks: readonly Hook[]): Map<string, Hook> {
  if (!Array.isArray(hooks)) throw invalidOption("hooks", "a list of hooks", hooks);
  const byName = new Map<string, Hook>();
  for (const hook of hooks) {
    if (!isHook(hook) || byName.has(hook.name)) {
      const found = isHook(hook) ? `"${hook.name}" twice` : "something else";
      throw new errors.DefinitionError(
        "HOOK_INVALID",
        `expected each hook once, as \`webhook(...)\` returned it, but found ${found}`,
      );
    }
    byName.set(hook.name, hook);
  }
  return byName;
}

function earlier(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

function checkLimit(limit: number = PAGE_DEFAULT): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= PAGE_MAX) return limit;
  throw new errors.DefinitionError(
    "LIMIT_INVALID",
    `expected limit to be a whole number from 1 to ${PAGE_MAX}, but found ${limit}`,
    { limit },
  );
}

function filterOf(options: ListOptions): RunFilter {
  const { workflow, status, tags, idempotencyKey, parentId, createdFrom, createdBefore } = options;
  return {
    ...(workflow === undefined ? {} : { workflow: checkName("the name of a workflow", workflow) }),
    ...(status === undefined ? {} : { status: [status].flat().map(checkStatus) }),
    ...(tags === undefined ? {} : { tags: checkTags(tags) }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey: checkName("the idempotency key", idempotencyKey) }),
    ...(parentId === undefined ? {} : { parentId: checkName("the id of a run", parentId) }),
    ...(createdFrom === undefined ? {} : { createdFrom: checkInstant("createdFrom", createdFrom) }),
    ...(createdBefore === undefined ? {} : { createdBefore: checkInstant("createdBefore", createdBefore) }),
  };
}

function checkInstant(what: string, instant: Date | number): number {
  const ms = typeof instant === "number" ? instant : instant instanceof Date ? instant.getTime() : Number.NaN;
  if (Number.isFinite(ms)) return ms;
  throw invalidOption(what, "a Date, or milliseconds since the epoch", instant);
}

function checkStatus(status: RunStatus): RunStatus {
  if (RUN_STATUSES.includes(status)) return status;
  throw new errors.DefinitionError(
    "STATUS_INVALID",
    `expected a status of ${RUN_STATUSES.join(", ")}, but found ${JSON.stringify(status)}`,
    { status },
  );
}
