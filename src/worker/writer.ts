/**
 * Group commit: all writes of this process go through one writer.
 *
 * Owns: what is queued for the log. Called by executions (through their worker), by the engine (starts, messages).
 *
 * I1 One write is under way at a time; meanwhile the next group gathers.
 * I2 A write whose outcome is unknown is sent again as it was, until its verdict is known.
 * I3 A write that the database refuses is taken apart, so that only the part at fault suffers.
 * I4 A run's part is judged by the verdict alone: its epoch and its last seq say that it is written.
 * I5 A start is written with its first events or not at all: a row without them would be a run that nobody can run.
 */
import { assert, InvariantError } from "../kernel/assert.ts";
import { ConflictError, LimitError, StoreError } from "../kernel/errors.ts";
import type { Ports } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import type { DeliveryRow } from "../log/port-deliveries.ts";
import type { InboxMessage, MessageVerdict } from "../log/port-inbox.ts";
import type { LogWrite, RunAppend, RunStart, WriteVerdict } from "../log/port-write.ts";
import { Backoff } from "./backoff.ts";

/** A run with something to write. */
export interface Source {
  readonly runId: string;
  /** What there is; null: nothing, or a part of it is under way. */
  take(): RunAppend | null;
  written(availableAt: number | null): void;
  /** The run is somebody else's now. */
  lost(): void;
  /** The database will not take it. */
  refused(error: Error): void;
}

/** What the writer tells, and whom it asks for a round. */
export interface WriterHost {
  /** Something is queued: a round must come. */
  schedule(): void;
  failing(error: StoreError): void;
  recovered(afterMs: number): void;
}

/** What a start came to. */
export interface StartVerdict {
  /** The run that exists under the idempotency key: the start's own, or an earlier one. */
  readonly runId: string;
  readonly created: boolean;
}

interface QueuedStart {
  readonly start: RunStart;
  readonly source: Source;
  readonly resolve: (verdict: StartVerdict | null) => void;
  readonly reject: (error: unknown) => void;
}

interface QueuedMessage {
  readonly message: InboxMessage;
  readonly resolve: (verdict: MessageVerdict) => void;
  readonly reject: (error: unknown) => void;
}

interface Part {
  readonly source: Source;
  readonly append: RunAppend;
}

/** What one write carries, and who waits for it. */
interface Group {
  readonly starts: readonly QueuedStart[];
  readonly parts: readonly Part[];
  readonly messages: readonly QueuedMessage[];
}

/** A group is written at the latest when its oldest event is this old, also while turns go on. */
const GROUP_AGE_MS_MAX = 5;

/** The most runs, starts and messages in one write: together with the payload limit this bounds its size. */
const GROUP_PARTS_MAX = 2_000;

/** The most characters of event data in one write, unless a single run has more. */
const GROUP_LENGTH_MAX = 8_000_000;

export class Writer {
  readonly #store: LogStore;
  readonly #ports: Ports;
  readonly #host: WriterHost;
  #dirty = new Set<Source>();
  #starts: QueuedStart[] = [];
  #messages: QueuedMessage[] = [];
  #oldestAt: number | null = null;
  #writing: Promise<void> | null = null;
  #closed = false;

  constructor(store: LogStore, ports: Ports, host: WriterHost) {
    this.#store = store;
    this.#ports = ports;
    this.#host = host;
  }

  /** `source` has something to write. */
  mark(source: Source): void {
    this.#dirty.add(source);
    this.#queued();
  }

  /**
   * Queues a run to be created; its first events come from `source`. Settles when it is durable. Null: its source had let
   * go of it first, or the run that stood in its way has just ended, and nothing was written.
   *
   * @throws LimitError `RATE_LIMITED`
   */
  start(start: RunStart, source: Source): Promise<StartVerdict | null> {
    return new Promise((resolve, reject) => {
      this.#starts.push({ start, source, resolve, reject });
      this.#queued();
    });
  }

  /** Queues a message to a run. Settles when it is durable. */
  send(message: InboxMessage): Promise<MessageVerdict> {
    return new Promise((resolve, reject) => {
      this.#messages.push({ message, resolve, reject });
      this.#queued();
    });
  }

  #queued(): void {
    this.#oldestAt ??= this.#ports.clock.monotonic();
    this.#host.schedule();
  }

  get isIdle(): boolean {
    return this.#writing === null && this.#oldestAt === null;
  }

  /** A round has ended: writes what is queued, if nothing more is about to join it. */
  afterRound(quiet: boolean): void {
    if (this.#oldestAt === null || this.#writing !== null) return;
    if (quiet || this.#ports.clock.monotonic() - this.#oldestAt >= GROUP_AGE_MS_MAX) this.flush();
  }

  /** Writes what is queued, now or after the write that is under way. */
  flush(): void {
    if (this.#writing !== null || this.#closed) return;
    const group = this.#take();
    if (group === null) return;
    this.#writing = this.#write(group).finally(() => {
      this.#writing = null;
      // Not at once: what the turns of this write's outcomes record belongs into the same write.
      if (this.#oldestAt !== null) this.#host.schedule();
    });
  }

  /** Resolves when everything that was queued is written, or after so much time. */
  async settled(ms: number): Promise<void> {
    let isLate = false;
    let wake = () => {};
    const late = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const cancel = this.#ports.clock.timer(ms, () => {
      isLate = true;
      wake();
    });
    while (!this.isIdle && !this.#closed && !isLate) {
      this.flush();
      await Promise.race([this.#writing, late]);
    }
    cancel();
  }

  /** Sends nothing any more. What was not durable stays unknown to those who wait for it. */
  close(error: Error): void {
    this.#closed = true;
    for (const { reject } of [...this.#starts, ...this.#messages]) reject(error);
    this.#starts = [];
    this.#messages = [];
    this.#dirty.clear();
  }

  #take(): Group | null {
    const due = this.#starts.splice(0, GROUP_PARTS_MAX);
    const messages = this.#messages.splice(0, GROUP_PARTS_MAX);
    const parts: Part[] = [];
    const starts = due.filter((start) => {
      const before = parts.length;
      addPart(parts, start.source);
      // Invariant I5.
      if (parts.length === before) start.resolve(null);
      return parts.length > before;
    });
    const unborn = new Set(this.#starts.map(({ source }) => source));
    const dirty = this.#dirty;
    this.#dirty = new Set();
    let length = 0;
    for (const source of dirty) {
      // Its run does not exist before its start is written.
      const mayBeWritten = parts.length < GROUP_PARTS_MAX && length < GROUP_LENGTH_MAX && !unborn.has(source);
      if (mayBeWritten) length += addPart(parts, source);
      else this.#dirty.add(source);
    }
    const isAll = this.#dirty.size + this.#starts.length + this.#messages.length === 0;
    if (isAll) this.#oldestAt = null;
    return parts.length + starts.length + messages.length === 0 ? null : { starts, parts, messages };
  }

  async #write(group: Group): Promise<void> {
    const write: LogWrite = {
      starts: group.starts.map(({ start }) => start),
      runs: group.parts.map(({ append }) => append),
      messages: group.messages.map(({ message }) => message),
    };
    const result = await this.#send(write);
    if (this.#closed) return;
    if (result instanceof Error) await this.#takeApart(group, result);
    else this.#tell(group, result);
  }

  /** Sends until there is a verdict (I2), or an error that no repetition helps. */
  async #send(write: LogWrite): Promise<WriteVerdict | Error> {
    const { clock } = this.#ports;
    const backoff = new Backoff(this.#ports);
    let failingSince: number | null = null;
    for (;;) {
      try {
        const verdict = await this.#store.append(write);
        if (failingSince !== null) this.#host.recovered(clock.monotonic() - failingSince);
        return verdict;
      } catch (error) {
        if (!(error instanceof StoreError) || error.facts.retry !== true) return error as Error;
        if (this.#closed) return error;
        if (failingSince === null) this.#host.failing(error);
        failingSince ??= clock.monotonic();
      }
      await backoff.wait();
    }
  }

  async #takeApart(group: Group, error: Error): Promise<void> {
    const pieces = split(group);
    if (pieces.length === 1) {
      for (const { source } of group.parts) source.refused(error);
      for (const { reject } of [...group.starts, ...group.messages]) reject(error);
      return;
    }
    for (const piece of pieces) await this.#write(piece);
  }

  #tell(group: Group, verdict: WriteVerdict): void {
    for (const { source, append } of group.parts) {
      // One run's trouble is not its neighbours'.
      try {
        this.#judge(source, append, verdict);
      } catch (error) {
        source.refused(error as Error);
      }
    }
    for (const { start, resolve, reject } of group.starts) {
      const runId = verdict.starts.get(start.runId);
      const retryAt = verdict.refused.get(start.runId);
      if (retryAt !== undefined) reject(rateLimited(start, retryAt));
      else if (runId === undefined && start.delivery !== null) reject(unstarted(start.delivery));
      // The run whose singleton it is ended in this very write.
      else if (runId === undefined) resolve(null);
      else resolve({ runId, created: runId === start.runId });
    }
    for (const { message, resolve, reject } of group.messages) {
      const found = verdict.messages.get(message.token);
      if (found === undefined) reject(new InvariantError(`the message ${message.token} has no verdict`));
      else resolve(found);
    }
  }

  #judge(source: Source, append: RunAppend, verdict: WriteVerdict): void {
    const row = verdict.runs.get(append.runId);
    const lastSeq = append.firstSeq + append.events.length - 1;
    if (row === undefined || row.epoch !== append.epoch) source.lost();
    else {
      assert(row.head === lastSeq, `the head of run ${append.runId} is ${row.head} after a write up to ${lastSeq}`);
      source.written(row.availableAt);
    }
  }
}

/** The delivery that was to start a run has been decided about otherwise. */
function unstarted({ hook, deliveryId }: DeliveryRow): ConflictError {
  return new ConflictError(
    "DELIVERY_DECIDED",
    `expected the delivery ${hook}/${deliveryId} not to be decided about, but another process has done so`,
    { hook, deliveryId },
  );
}

function rateLimited({ runId, workflow, createdAt }: RunStart, retryAt: number): LimitError {
  const retryAfterMs = Math.max(1, retryAt - createdAt);
  return new LimitError(
    "RATE_LIMITED",
    `expected a start of workflow "${workflow}" within its rateLimit, but there were as many as it allows; it was not started, and can be again in ${retryAfterMs} ms`,
    { runId, workflow, retryAfterMs },
  );
}

/** Adds what a source has to write. Returns the length of its data. */
function addPart(parts: Part[], source: Source): number {
  const append = source.take();
  if (append === null) return 0;
  parts.push({ source, append });
  return append.events.reduce((sum, event) => sum + (event.data?.length ?? 0), 0);
}

/** A start and its events belong together; everything else stands alone. */
function split(group: Group): Group[] {
  const started = new Set(group.starts.map(({ start }) => start.runId));
  return [
    ...group.starts.map((start) => ({
      starts: [start],
      parts: group.parts.filter(({ append }) => append.runId === start.start.runId),
      messages: [],
    })),
    ...group.parts
      .filter(({ append }) => !started.has(append.runId))
      .map((part) => ({ starts: [], parts: [part], messages: [] })),
    ...group.messages.map((message) => ({ starts: [], parts: [], messages: [message] })),
  ];
}
