/**
 * Outgoing webhooks: who is told of what, in which form, and what an answer means. Pure.
 *
 * A notice is about one event of the log, to one endpoint. Its form is Standard Webhooks 1.0: `webhook-id`,
 * `webhook-timestamp` and `webhook-signature`, over a body `{ type, timestamp, data }`.
 */

import { fromBase64, toBase64 } from "../kernel/base64.ts";
import { derivedFloat, hmacSha256, sha256Hex } from "../kernel/derive.ts";
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { EVENT_TYPES, type EventType, type RunEvent } from "../kernel/events.ts";
import type { Failure } from "../kernel/failure.ts";
import { checkOptions } from "../kernel/options.ts";
import { clipText, shownAddress, shownValue } from "../kernel/text.ts";
import { isPrivateHost } from "./private-address.ts";
import { currentSecrets, isReference, requireSecretsOf, type SecretResolver, type Secrets } from "./secrets.ts";

/** Where events are sent to, and which. */
export interface NotifyOptions {
  /** Names the endpoint in the log's database: its place in the log hangs on it. Letters, digits, `-` and `_`. */
  readonly name: string;
  /** `https:`; with `allowPrivate` also `http:`. Redirects are not followed. */
  readonly url: string;
  /**
   * `whsec_` and base64 of 24 to 64 bytes, newest first: by reference, as `env("BILLING_SECRET")`, which is looked up at each
   * sending and must be there when the engine is made; by a function that is asked at each sending; or as they are. With
   * several, each signs: so receivers can change from one to the next.
   */
  readonly secrets: Secrets;
  /** Types of events, as the log has them. */
  readonly events: readonly EventType[];
  /** Only events of runs of these workflows. @default all */
  readonly workflow?: string | readonly string[];
  /** Only events for which it is true. One that throws is taken for true, so that nothing is lost, and logged. */
  readonly filter?: (notice: Notice) => boolean;
  /** Sent along. Those of Standard Webhooks and of the body are set by us. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How long an answer may take, up to 30 seconds. @default "15s" */
  readonly timeout?: Duration;
  /** For how long a notice is tried, from the first try on, up to 30 days. @default "3d" */
  readonly giveUpAfter?: Duration;
  /** Sends the output of a run or a step along, up to 64 KiB of JSON. @default false */
  readonly output?: boolean;
  /** Lets the address be of this machine or a private network, and of the scheme `http:`. @default false */
  readonly allowPrivate?: boolean;
}

/** What is sent: the body of a request. */
export interface Notice {
  readonly type: EventType;
  /** When the event happened, ISO 8601. */
  readonly timestamp: string;
  readonly data: NoticeData;
}

export interface NoticeData {
  readonly runId: string;
  readonly workflow: string;
  readonly version: string;
  /** The event's place in its run. */
  readonly seq: number;
  /** The key of the step, timer or scope, if it is about one. */
  readonly key?: string;
  readonly attempt?: number;
  readonly error?: { readonly name: string; readonly message: string; readonly code?: string };
  /** Why a run was cancelled, if it was said. */
  readonly reason?: string;
  readonly output?: unknown;
  /** There is an output, but it is longer than what is sent. */
  readonly outputOmitted?: true;
}

/** An endpoint whose options were checked. */
export interface Endpoint {
  readonly name: string;
  readonly url: string;
  readonly secrets: Secrets;
  readonly events: ReadonlySet<string>;
  /** Null: all. */
  readonly workflows: ReadonlySet<string> | null;
  readonly filter: (notice: Notice) => boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly giveUpMs: number;
  readonly output: boolean;
  readonly allowPrivate: boolean;
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const TIMEOUT_MS = { default: 15_000, max: 30_000 } as const;
const GIVE_UP_MS = { default: 3 * 86_400_000, max: 30 * 86_400_000 } as const;

/** What Standard Webhooks wants of a secret. */
const SECRET_BYTES = { min: 24, max: 64 } as const;

/** The longest message of an error that is sent, and the longest output, characters. */
const MESSAGE_LENGTH_MAX = 2_000;
const OUTPUT_LENGTH_MAX = 65_536;

/** Headers that are ours, or that a client sets by itself. */
const OWN_HEADERS =
  /^(?:webhook-.*|content-type|content-length|user-agent|host|connection|transfer-encoding|expect|upgrade|te|trailer)$/i;

/**
 * Checks what an endpoint is made of.
 *
 * @throws DefinitionError `ENDPOINT_INVALID`
 */
export function checkEndpoint(options: NotifyOptions): Endpoint {
  checkOptions("notify", options);
  const { name, url, secrets, events, workflow, filter = () => true, headers = {}, output = false } = options;
  const { timeout = TIMEOUT_MS.default, giveUpAfter = GIVE_UP_MS.default, allowPrivate = false } = options;
  if (typeof name !== "string" || !NAME.test(name)) throw invalid("name", `a text of the form ${NAME.source}`, name);
  if (typeof allowPrivate !== "boolean") throw invalid(`allowPrivate of "${name}"`, "true or false", allowPrivate);
  checkUrl(name, url, allowPrivate);
  if (!Array.isArray(events) || events.length === 0) throw invalid(`events of "${name}"`, "types of events", events);
  const unknown = events.find((type) => !EVENT_TYPES.includes(type));
  if (unknown !== undefined) throw invalid(`events of "${name}"`, `of ${EVENT_TYPES.join(", ")}`, unknown);
  if (typeof filter !== "function") throw invalid(`filter of "${name}"`, "a function", filter);
  if (typeof secrets !== "function" && !isReference(secrets)) keysOf(name, secrets);
  if (typeof output !== "boolean") throw invalid(`output of "${name}"`, "true or false", output);
  if (typeof headers !== "object" || headers === null) throw invalid(`headers of "${name}"`, "texts by name", headers);
  for (const [header, value] of Object.entries(headers)) checkHeader(name, header, value);
  return {
    name,
    url,
    secrets,
    events: new Set(events),
    workflows: workflow === undefined ? null : workflowsOf(name, workflow),
    filter,
    headers,
    timeoutMs: within(`timeout of "${name}"`, timeout, TIMEOUT_MS.max),
    giveUpMs: within(`giveUpAfter of "${name}"`, giveUpAfter, GIVE_UP_MS.max),
    output,
    allowPrivate,
  };
}

function workflowsOf(name: string, workflow: string | readonly string[]): ReadonlySet<string> {
  const names = [workflow].flat();
  const stranger = names.find((each) => typeof each !== "string" || each === "");
  if (names.length === 0 || stranger !== undefined)
    throw invalid(`workflow of "${name}"`, "the name of a workflow, or a list of some", stranger ?? workflow);
  return new Set(names);
}

/**
 * Checks that the secrets which an endpoint names are there. A function is not asked: it may answer later.
 *
 * @throws DefinitionError `SECRET_INVALID`, `ENDPOINT_INVALID`
 */
export async function checkNamedSecrets(
  { name, secrets }: Pick<Endpoint, "name" | "secrets">,
  resolve: SecretResolver | undefined,
): Promise<void> {
  if (!isReference(secrets)) return;
  const owner = { what: `the endpoint "${name}"`, without: "nothing is sent unsigned", facts: { endpoint: name } };
  keysOf(name, await requireSecretsOf(owner, secrets, resolve));
}

function checkUrl(name: string, url: unknown, allowPrivate: boolean): void {
  const what = `url of "${name}"`;
  const form = allowPrivate ? "an http: or https: URL" : "an https: URL";
  if (typeof url !== "string" || !URL.canParse(url)) throw invalid(what, form, undefined);
  const { protocol, hostname, username, password } = new URL(url);
  const isKnown = protocol === "https:" || (allowPrivate && protocol === "http:");
  if (!isKnown || `${username}${password}` !== "") {
    throw invalid(what, `${form} without a user and a password`, shownAddress(url));
  }
  if (!allowPrivate && isPrivateHost(hostname)) {
    throw invalid(what, "an address out in the world (or allowPrivate: true)", shownAddress(url));
  }
}

function checkHeader(name: string, header: string, value: unknown): void {
  const isName = /^[!#$%&'*+.^_`|~0-9a-z-]{1,256}$/i.test(header) && !OWN_HEADERS.test(header);
  if (isName && typeof value === "string" && /^[\t\x20-\x7e]{0,4096}$/.test(value)) return;
  throw invalid(`headers of "${name}"`, "names that are not ours, and values of one line of ASCII", header);
}

function within(what: string, duration: Duration, max: number): number {
  const ms = parseDuration(duration);
  if (ms >= 1 && ms <= max) return ms;
  throw invalid(what, `from 1 ms to ${max} ms`, ms);
}

/** The keys of secrets. @throws DefinitionError `ENDPOINT_INVALID` */
function keysOf(name: string, secrets: readonly string[]): Uint8Array[] {
  const keys = (Array.isArray(secrets) ? secrets : []).map((secret) => keyOf(secret));
  if (keys.length > 0 && keys.every((key) => key !== null)) return keys;
  throw invalid(
    `secrets of "${name}"`,
    `texts of the form "whsec_" and base64 of ${SECRET_BYTES.min} to ${SECRET_BYTES.max} bytes`,
    undefined,
  );
}

function keyOf(secret: unknown): Uint8Array | null {
  if (typeof secret !== "string" || !/^(?:whsec_)?[A-Za-z0-9+/]+={0,2}$/.test(secret)) return null;
  try {
    const bytes = fromBase64(secret.replace(/^whsec_/, ""));
    return bytes.length >= SECRET_BYTES.min && bytes.length <= SECRET_BYTES.max ? bytes : null;
  } catch {
    return null;
  }
}

/** @param found what may be shown of it; undefined: nothing, since it is a secret, or nearly one */
function invalid(what: string, expected: string, found: unknown): DefinitionError {
  const shown = found === undefined ? "it is not" : `found ${shownValue(found)}`;
  return new DefinitionError("ENDPOINT_INVALID", `expected ${what} to be ${expected}, but ${shown}`, { what });
}

/** The notice about `event`, of a run of this workflow and version. */
export function noticeOf(
  endpoint: Pick<Endpoint, "output">,
  event: RunEvent,
  program: { readonly workflow: string; readonly version: string },
): Notice {
  const { runId, seq, key, attempt } = event;
  return {
    type: event.type,
    timestamp: new Date(event.at).toISOString(),
    data: {
      runId,
      workflow: program.workflow,
      version: program.version,
      seq,
      ...(key === null ? {} : { key }),
      ...(attempt === null ? {} : { attempt }),
      ...facts(event),
      ...(endpoint.output ? outputOf(event) : {}),
    },
  };
}

function facts({ data }: RunEvent): Pick<NoticeData, "error" | "reason"> {
  const { error, reason } = data as { readonly error?: Failure; readonly reason?: unknown };
  return {
    ...(error === undefined ? {} : { error: shortError(error) }),
    ...(typeof reason === "string" ? { reason: clipText(reason, MESSAGE_LENGTH_MAX) } : {}),
  };
}

function shortError({ name, message, code }: Failure): NonNullable<NoticeData["error"]> {
  const short = { name: clipText(name, 200), message: clipText(message, MESSAGE_LENGTH_MAX) };
  return typeof code === "string" ? { ...short, code: clipText(code, 200) } : short;
}

function outputOf(event: RunEvent): Pick<NoticeData, "output" | "outputOmitted"> {
  if (event.type !== "run.completed" && event.type !== "step.completed") return {};
  // As the log holds it, in JSON: what JSON does not know, such as a Date, is sent as its text.
  const { value } = event.data;
  return JSON.stringify(value).length > OUTPUT_LENGTH_MAX ? { outputOmitted: true } : { output: value };
}

/** Names a notice to its receiver: the same at each sending, and no other notice of any log has it. */
export function noticeId(endpoint: string, runId: string, seq: number): string {
  return `msg_${sha256Hex(["notice", endpoint, runId, seq].join("\0")).slice(0, 32)}`;
}

/**
 * The headers of a request with this body, signed by each secret.
 *
 * @throws DefinitionError `ENDPOINT_INVALID` for a secret of another form
 */
export async function signedRequest(
  endpoint: Endpoint,
  request: { readonly id: string; readonly at: number; readonly body: string },
  resolve?: SecretResolver,
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(request.at / 1_000));
  const signed = `${request.id}.${timestamp}.${request.body}`;
  const keys = keysOf(endpoint.name, await currentSecrets(endpoint.secrets, resolve));
  const signatures = keys.map((key) => `v1,${toBase64(hmacSha256(key, signed))}`);
  return {
    ...endpoint.headers,
    "content-type": "application/json",
    "user-agent": "varve",
    "webhook-id": request.id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
  };
}

/** What came of a try to send. */
export type SendResult =
  | { readonly kind: "answer"; readonly status: number; readonly retryAfter: string | null }
  | { readonly kind: "error"; readonly message: string };

/** What a try makes of a notice. */
export type SendVerdict =
  | { readonly kind: "delivered"; readonly note: string }
  /** `restUntil`: the receiver asked for no request at all before then. */
  | { readonly kind: "retry"; readonly at: number; readonly restUntil: number | null; readonly note: string }
  /** `disables`: the endpoint is gone. */
  | { readonly kind: "dead"; readonly disables: boolean; readonly note: string };

/** The waits between tries: three times as long each, up to six hours. */
const BACK_OFF = { firstMs: 5_000, factor: 3, maxMs: 6 * 3_600_000 } as const;

/** The longest wait that a receiver may ask for. */
const RETRY_AFTER_MS_MAX = 86_400_000;

/** What the result of try `tries` (from 1) at `now` makes of a notice that was first tried at `firstAt`. */
export function judgeSend(
  endpoint: Pick<Endpoint, "giveUpMs">,
  notice: { readonly id: string; readonly tries: number; readonly firstAt: number },
  result: SendResult,
  now: number,
): SendVerdict {
  const note = result.kind === "answer" ? `answered ${result.status}` : clipText(result.message, 500);
  if (result.kind === "answer" && result.status >= 200 && result.status < 300) return { kind: "delivered", note };
  if (result.kind === "answer" && result.status === 410) return { kind: "dead", disables: true, note };
  const restMs = result.kind === "answer" ? restMsOf(result, now) : null;
  const at = now + Math.max(backOffMs(notice.id, notice.tries), restMs ?? 0);
  if (at - notice.firstAt > endpoint.giveUpMs) {
    return { kind: "dead", disables: false, note: `${note}; given up after ${notice.tries} tries` };
  }
  return { kind: "retry", at, restUntil: restMs === null ? null : now + restMs, note };
}

/** With a quarter more or less, which the notice's id decides: a receiver that comes back is not met by all at once. */
function backOffMs(id: string, tries: number): number {
  const ms = Math.min(BACK_OFF.firstMs * BACK_OFF.factor ** (tries - 1), BACK_OFF.maxMs);
  return Math.round(ms * (0.75 + derivedFloat(id, "back-off", tries) / 2));
}

function restMsOf({ status, retryAfter }: SendResult & { readonly kind: "answer" }, now: number): number | null {
  if ((status !== 429 && status !== 503) || retryAfter === null) return null;
  const seconds = /^\s*\d{1,9}\s*$/.test(retryAfter) ? Number(retryAfter) : null;
  const ms = seconds === null ? Date.parse(retryAfter) - now : seconds * 1_000;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, RETRY_AFTER_MS_MAX) : null;
}
