/**
 * Webhook deliveries: each is verified, decided about once, and recorded with its decision in the write that does it.
 *
 * Owns: what the last requests were refused for, in this process. Called by the engine.
 *
 * I1 A delivery has one decision: what is recorded first stays, and a repeat is answered by it.
 * I2 What is not verified is stored nowhere: a stranger must not fill the disk.
 * I3 What failed without a decision (a fault of the hook's own code, a database out of reach) is thrown: its sender tries again.
 */
import { assert } from "../kernel/assert.ts";
import type { Payload } from "../kernel/codec.ts";
import { ConflictError, isVarveError, LimitError, NotFoundError } from "../kernel/errors.ts";
import { dataText } from "../kernel/events.ts";
import { toFailure } from "../kernel/failure.ts";
import { invalidOption } from "../kernel/options.ts";
import type { Ports } from "../kernel/ports.ts";
import { checkName, checkPathName, clipText, NAME_LENGTH_MAX } from "../kernel/text.ts";
import type { WorkflowRef } from "../kernel/workflow-ref.ts";
import type { LogStore } from "../log/port.ts";
import { type DecidedDelivery, type DeliveryDecision, type DeliveryRow, UNTOLD } from "../log/port-deliveries.ts";
import { INBOX_ROWS_MAX, type InboxMessage } from "../log/port-inbox.ts";
import type { RunRow } from "../log/port-runs.ts";
import { type Decision, decide, keyOf, orInvalid } from "../triggers/decide.ts";
import { deliveryOf, type Hook } from "../triggers/hook.ts";
import type { RefusalReason, Verification, WebhookRequest } from "../triggers/scheme.ts";
import type { SecretResolver } from "../triggers/secrets.ts";
import { encodeInput } from "../worker/new-run.ts";
import type * as api from "./api-deliveries.ts";
import type { RunHandle, StartedRun } from "./api-run.ts";
import { deliveryInfo, deliveryOfRow, idempotencyKeyOf, keptHeaders, reasonOf } from "./delivery-info.ts";

export interface DeliveriesParts {
  readonly store: LogStore;
  readonly ports: Pick<Ports, "clock" | "logger">;
  readonly hooks: ReadonlyMap<string, Hook>;
  readonly secrets: SecretResolver | undefined;
  readonly payloadBytesMax: number;
  readonly checkOpen: () => void;
  readonly checkLimit: (limit: number | undefined) => number;
  readonly start: (
    workflow: WorkflowRef<never, unknown, never>,
    input: Payload,
    options: { readonly idempotencyKey: string; readonly delivery: DeliveryRow },
  ) => Promise<StartedRun>;
  readonly run: (runId: string) => RunHandle;
  /** A signal's payload as its run's workflow takes it. */
  readonly signalOf: (row: RunRow, name: string, payload: unknown) => Promise<Payload>;
  /** Mail for a run has been stored. */
  readonly told: (runId: string) => Promise<void>;
}

/** The most refused requests that are remembered. */
const REFUSED_MAX = 100;

const CURSOR = /^[1-9][0-9]{0,15}$/;

export class Deliveries implements api.Deliveries {
  readonly #parts: DeliveriesParts;
  /** Newest last. */
  readonly #refused: api.RefusedRequest[] = [];

  constructor(parts: DeliveriesParts) {
    this.#parts = parts;
  }

  async deliver(hookName: string, request: WebhookRequest): Promise<api.DeliveryOutcome> {
    const hook = this.#parts.hooks.get(hookName);
    if (hook === undefined) return this.#refuse(hookName, request, "unknown-hook", "no hook has this name");
    const verification = await verify(hook, request, this.#parts.secrets);
    if (!verification.ok) return this.#refuse(hookName, request, verification.reason, verification.detail);
    const { challenge, deliveryId } = verification;
    if (challenge !== undefined) return { kind: "answered", text: challenge };
    return await this.#noting(hook, request, () => this.#take(hook, deliveryId, request));
  }

  async #take(hook: Hook, schemeId: string, request: WebhookRequest): Promise<api.DecidedOutcome> {
    const key = await orInvalid(() => keyOf(hook, deliveryOf(hook.name, schemeId, request)));
    const deliveryId = typeof key === "string" ? key : schemeId;
    const delivery = deliveryOf(hook.name, deliveryId, request);
    const { body, receivedAt } = request;
    const content = { headers: keptHeaders(delivery.headers), body };
    const row: DeliveryRow = { hook: hook.name, deliveryId, replay: 0, receivedAt, content };
    // Asked first, so that a repeat runs none of the hook's code; what comes at the same time is decided by the write.
    const earlier = await this.#parts.store.getDecided(row);
    if (earlier !== null) return this.#repeated(hook, earlier);
    return await this.#decide(hook, row, typeof key === "string" ? await decide(hook, delivery) : key);
  }

  /** Does what is decided, and records it. */
  async #decide(hook: Hook, row: DeliveryRow, decision: Decision): Promise<api.DecidedOutcome> {
    switch (decision.kind) {
      case "start":
        return await this.#start(hook, row, decision.input);
      case "signal":
        return await this.#signal(hook, row, decision);
      case "ignore":
        return await this.#record(hook, row, "ignored", JSON.stringify(decision.reason), null);
      case "invalid":
        return await this.#record(hook, row, "invalid", JSON.stringify(decision.reason), null);
    }
  }

  async #start(hook: Hook, row: DeliveryRow, given: unknown): Promise<api.DecidedOutcome> {
    const { target } = hook;
    assert(target.kind === "start", "a hook of signals decides for a start");
    const input = await orInvalid(async () => ({ payload: encodeInput(given, this.#parts.payloadBytesMax) }));
    if ("kind" in input) return await this.#decide(hook, row, input);
    const options = { idempotencyKey: idempotencyKeyOf(row), delivery: row };
    try {
      const run = await this.#parts.start(target.workflow, input.payload, options);
      return started(hook, row, run, !run.created);
    } catch (error) {
      // Another process was first, and has decided otherwise.
      if (!isVarveError(error, "DELIVERY_DECIDED")) throw error;
      return this.#repeated(hook, await this.#requireDecided(row));
    }
  }

  async #signal(
    hook: Hook,
    row: DeliveryRow,
    signal: Extract<Decision, { kind: "signal" }>,
  ): Promise<api.DecidedOutcome> {
    const runId = checkName("the run that a hook has found", signal.runId);
    const run = await this.#parts.store.getRun(runId);
    if (run === null) return await this.#record(hook, row, "ignored", UNTOLD.unknown, null);
    const name = checkPathName("the name of a signal", signal.name);
    const payload = await orInvalid(async () => ({ value: await this.#parts.signalOf(run, name, signal.payload) }));
    if ("kind" in payload) return await this.#decide(hook, row, payload);
    const token = idempotencyKeyOf(row);
    const data = dataText({ name, payload: payload.value });
    const message: InboxMessage = { runId, kind: "signal", token, data, at: row.receivedAt };
    return await this.#record(hook, row, "signalled", null, message);
  }

  async #record(
    hook: Hook,
    row: DeliveryRow,
    decision: Exclude<DeliveryDecision, "started">,
    reason: string | null,
    signal: InboxMessage | null,
  ): Promise<api.DecidedOutcome> {
    const decided = await this.#parts.store.decideDelivery({ row, decision, reason, signal });
    if (decided === null) throw inboxFull(signal?.runId ?? "");
    if (decided.decision === "signalled" && decided.runId !== null) await this.#parts.told(decided.runId);
    return this.#outcomeOf(hook, decided, false);
  }

  #repeated(hook: Hook, decided: DecidedDelivery): api.DecidedOutcome {
    return this.#outcomeOf(hook, decided, true);
  }

  #outcomeOf(hook: Hook, decided: DecidedDelivery, isRepeat: boolean): api.DecidedOutcome {
    const { decision, deliveryId, replay } = decided;
    const reason = reasonOf(decided);
    const run = decided.runId === null ? null : this.#found(decided.runId);
    if (decision === "started" && run !== null) return started(hook, decided, run, isRepeat);
    if (decision === "signalled" && run !== null)
      return { kind: "accepted", decision, deliveryId, replay, run, reason: null, isRepeat, resultWithinMs: null };
    if (decision === "ignored" && reason !== null)
      return { kind: "accepted", decision, deliveryId, replay, run: null, reason, isRepeat, resultWithinMs: null };
    return { kind: "invalid", deliveryId, replay, reason: reason ?? { code: "INPUT_INVALID", message: "" }, isRepeat };
  }

  #found(runId: string): StartedRun {
    return Object.assign(this.#parts.run(runId), { created: false, skipped: false });
  }

  async #requireDecided(row: DeliveryRow): Promise<DecidedDelivery> {
    const decided = await this.#parts.store.getDecided(row);
    if (decided !== null) return decided;
    throw new ConflictError(
      "DELIVERY_DECIDED",
      `the decision about ${row.hook}/${row.deliveryId} was deleted meanwhile`,
    );
  }

  // ---- What is not decided about ----

  #refuse(
    hook: string,
    { receivedAt }: WebhookRequest,
    reason: RefusalReason | "unknown-hook",
    detail: string,
  ): api.DeliveryOutcome {
    this.#remember({ hook, at: receivedAt, reason, detail });
    return { kind: "refused", reason, detail };
  }

  /** What goes wrong on the way to a decision is remembered beside what was refused. */
  async #noting<T>(hook: Hook, { receivedAt }: WebhookRequest, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      const { name, message } = toFailure(error);
      this.#remember({ hook: hook.name, at: receivedAt, reason: "undecided", detail: `${name}: ${message}` });
      throw error;
    }
  }

  #remember({ hook, detail, ...rest }: api.RefusedRequest): void {
    const clipped = { hook: clipText(hook, NAME_LENGTH_MAX), detail: clipText(detail, NAME_LENGTH_MAX) };
    this.#refused.push({ ...rest, ...clipped });
    if (this.#refused.length > REFUSED_MAX) this.#refused.shift();
  }

  async refused(): Promise<readonly api.RefusedRequest[]> {
    this.#parts.checkOpen();
    return this.#refused.toReversed();
  }

  // ---- What was decided ----

  async list(options: api.DeliveryListOptions = {}): Promise<api.DeliveryPage> {
    const { store, checkOpen, checkLimit } = this.#parts;
    checkOpen();
    const { hook, decision = null, cursor } = options;
    const limit = checkLimit(options.limit);
    const before = cursor === undefined ? null : Number(CURSOR.exec(cursor)?.[0] ?? Number.NaN);
    if (Number.isNaN(before)) throw invalidOption("cursor", "what the page of deliveries before it returned", cursor);
    const filter = { hook: hook === undefined ? null : checkName("the name of a hook", hook), decision };
    const rows = await store.listDeliveries(filter, { before, limit: limit + 1 });
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const deliveries = page.map(deliveryInfo);
    return { deliveries, cursor: rows.length > limit && last !== undefined ? String(last.position) : null };
  }

  async get(hook: string, id: string, options: { readonly replay?: number } = {}): Promise<api.Delivery | null> {
    const { store, checkOpen } = this.#parts;
    checkOpen();
    const { replay = 0 } = options;
    const deliveryId = {
      hook: checkName("the name of a hook", hook),
      deliveryId: checkName("the id of a delivery", id),
    };
    const request = await store.getDelivery({ ...deliveryId, replay: 0 });
    const row = replay === 0 ? request : await store.getDelivery({ ...deliveryId, replay });
    return row === null ? null : deliveryOfRow(row, request?.content ?? null);
  }

  async replay(hookName: string, id: string): Promise<api.DecidedOutcome> {
    const { store, hooks, ports } = this.#parts;
    const delivery = await this.get(hookName, id);
    if (delivery === null) throw deliveryNotFound(hookName, id);
    const hook = hooks.get(hookName);
    if (hook === undefined) throw hookNotFound(hookName);
    const replay = ((await store.lastReplay(hookName, id)) ?? 0) + 1;
    const receivedAt = Math.floor(ports.clock.now());
    const request = { headers: Object.entries(delivery.headers), body: delivery.body, receivedAt: delivery.receivedAt };
    const row = { hook: hookName, deliveryId: id, replay, receivedAt, content: null };
    return await this.#decide(hook, row, await decide(hook, deliveryOf(hookName, id, request)));
  }
}

/** A scheme that throws refuses: a hook fails closed. */
async function verify(hook: Hook, request: WebhookRequest, secrets: SecretResolver | undefined): Promise<Verification> {
  try {
    return await hook.scheme.verify(request, secrets);
  } catch (error) {
    return { ok: false, reason: "signature-wrong", detail: `the scheme failed with ${toFailure(error).name}` };
  }
}

function started(
  { target }: Hook,
  { deliveryId, replay }: Pick<DeliveryRow, "deliveryId" | "replay">,
  run: StartedRun,
  isRepeat: boolean,
): api.DecidedOutcome {
  const resultWithinMs = target.kind === "start" ? target.resultWithinMs : null;
  return { kind: "accepted", decision: "started", deliveryId, replay, run, reason: null, isRepeat, resultWithinMs };
}

function inboxFull(runId: string): LimitError {
  return new LimitError("INBOX_FULL", `${INBOX_ROWS_MAX} messages to run ${runId} wait already: is a worker running?`, {
    runId,
    max: INBOX_ROWS_MAX,
  });
}

function deliveryNotFound(hook: string, id: string): NotFoundError {
  return new NotFoundError("DELIVERY_NOT_FOUND", `expected a delivery ${id} of the hook "${hook}", but found none`, {
    hook,
    id,
  });
}

function hookNotFound(hook: string): NotFoundError {
  return new NotFoundError("HOOK_UNKNOWN", `expected a registered hook "${hook}" to replay with, but found none`, {
    hook,
  });
}
