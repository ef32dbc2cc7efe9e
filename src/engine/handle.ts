/** A run's handle: what can be asked of one run, and asked for it. */
import { decodePayload, type Payload } from "../kernel/codec.ts";
import { parseDuration } from "../kernel/duration.ts";
import * as errors from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import { type Failure, fromFailure } from "../kernel/failure.ts";
import { checkName, checkPathName } from "../kernel/text.ts";
import type { Why } from "../kernel/why.ts";
import type { LogStore } from "../log/port.ts";
import { INBOX_ROWS_MAX, type MessageKind, type MessageVerdict } from "../log/port-inbox.ts";
import type { RunRow } from "../log/port-runs.ts";
import type {
  AnySignals,
  ReasonOptions,
  RerunOptions,
  RunHandle,
  RunInfo,
  SignalOptions,
  StartedRun,
} from "./api-run.ts";
import { notFound, type Results } from "./results.ts";
import { cancelReason } from "./run-info.ts";

/** What a handle needs of its engine. */
export interface HandleHost {
  readonly store: LogStore;
  readonly results: Results;
  history(runId: string, options?: { afterSeq?: number; limit?: number }): Promise<RunEvent[]>;
  /** Sends a message to a run and tells its worker. `token` names it: sent again, it is the same one. */
  send(runId: string, kind: MessageKind, data: object, token?: string): Promise<MessageVerdict>;
  /** What goes into a signal's message. */
  signalOf(row: RunRow, name: string, payload: unknown): Promise<Payload>;
  rerun(runId: string, options: RerunOptions): Promise<StartedRun>;
  retry(runId: string): Promise<void>;
  why(runId: string): Promise<Why>;
  /** Rows for their readers, with what they wait for. */
  infos(rows: readonly RunRow[]): Promise<RunInfo<never>[]>;
}

export class Handle<Output> implements RunHandle<Output, AnySignals> {
  readonly id: string;
  readonly #host: HandleHost;

  constructor(host: HandleHost, id: string) {
    this.#host = host;
    this.id = id;
  }

  async status(): Promise<RunInfo<Output>> {
    const row = await this.#host.store.getRun(this.id);
    if (row === null) throw notFound(this.id);
    return (await this.#host.infos([row]))[0] as RunInfo<Output>;
  }

  async result(options: Parameters<RunHandle["result"]>[0] = {}): Promise<Output> {
    const timeoutMs = options.timeout === undefined ? null : parseDuration(options.timeout);
    const { signal = null } = options;
    const ended = await this.#host.results.ended(this.id, { timeoutMs, signal });
    return ("output" in ended ? decodeOutput(ended.output) : outputOf(ended.row)) as Output;
  }

  cancel(options: ReasonOptions = {}): Promise<void> {
    return this.#tell("cancel", reasonOf("cancel", options));
  }

  terminate(options: ReasonOptions = {}): Promise<void> {
    return this.#tell("terminate", reasonOf("terminate", options));
  }

  pause(options: ReasonOptions = {}): Promise<void> {
    return this.#tell("pause", reasonOf("pause", options));
  }

  resume(): Promise<void> {
    return this.#tell("resume", {});
  }

  async signal(name: string, payload: unknown, { dedupeKey }: SignalOptions = {}): Promise<void> {
    checkPathName("the name of a signal", name);
    const row = await this.#host.store.getRun(this.id);
    if (row === null) throw notFound(this.id);
    const data = { name, payload: await this.#host.signalOf(row, name, payload) };
    await this.#tell("signal", data, dedupeKey === undefined ? undefined : signalToken(this.id, dedupeKey));
  }

  retry(): Promise<void> {
    return this.#host.retry(this.id);
  }

  async rerun(options: RerunOptions = {}): Promise<StartedRun<Output>> {
    return (await this.#host.rerun(this.id, options)) as StartedRun<Output>;
  }

  async #tell(kind: MessageKind, data: object, token?: string): Promise<void> {
    const verdict = await this.#host.send(this.id, kind, data, token);
    switch (verdict) {
      case "accepted":
        return;
      case "unknown-run":
        throw notFound(this.id);
      case "over":
        throw new errors.ConflictError("RUN_OVER", `expected run ${this.id} to be under way, but it has ended`, {
          runId: this.id,
        });
      case "full":
        throw new errors.LimitError(
          "INBOX_FULL",
          `${INBOX_ROWS_MAX} messages to run ${this.id} wait already: is a worker running?`,
          {
            runId: this.id,
            max: INBOX_ROWS_MAX,
          },
        );
    }
  }

  why(): Promise<Why> {
    return this.#host.why(this.id);
  }

  history(options?: { readonly afterSeq?: number; readonly limit?: number }): Promise<RunEvent[]> {
    return this.#host.history(this.id, options);
  }
}

/**
 * What a signal with a dedupe key is called in its run's inbox and history.
 *
 * @throws DefinitionError `NAME_INVALID`
 */
export function signalToken(runId: string, dedupeKey: string): string {
  return `signal/${runId}/${checkName("the dedupe key of a signal", dedupeKey)}`;
}

function reasonOf(action: string, { reason }: ReasonOptions): ReasonOptions {
  return reason === undefined ? {} : { reason: checkName(`the reason of a ${action}`, reason) };
}

/** What a run that has ended came to. */
function outputOf(row: RunRow): unknown {
  const { id, status } = row;
  if (status === "completed") return decodeOutput(row.result ?? "{}");
  if (status === "cancelled") {
    const reason = cancelReason(row);
    throw new errors.RunCancelledError(
      "RUN_CANCELLED",
      `run ${id} was cancelled${reason === null ? "" : `: ${reason}`}`,
      { runId: id, reason },
    );
  }
  const cause = fromFailure(JSON.parse(row.result ?? "{}") as Failure);
  throw new errors.RunFailedError(
    "RUN_FAILED",
    `run ${id} of ${row.workflow} failed: ${cause.message}`,
    { runId: id },
    { cause },
  );
}

function decodeOutput(text: string): unknown {
  return decodePayload(JSON.parse(text) as Payload);
}
