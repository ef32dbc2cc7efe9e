/** A webhook scheme: how one kind of sender proves that a request is its own. Pure but for WebCrypto. */
import { type Duration, parseDuration } from "../kernel/duration.ts";
import type { SecretResolver } from "./secrets.ts";

/** A request as it came in. */
export interface WebhookRequest {
  /** Every header in order, as pairs: a header that comes twice is seen twice. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The raw bytes: what the sender signed. */
  readonly body: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  /** Whether a program of this machine sent it, as far as whoever took it can tell. @default false */
  readonly isLocal?: boolean;
}

/** What a scheme says of a request. */
export type Verification =
  | {
      readonly ok: true;
      /** The sender's id of this delivery; a repeat has the same. */
      readonly deliveryId: string;
      /** With a request that only asks whether we are there: the text to answer. Nothing else is done about it. */
      readonly challenge?: string;
    }
  | { readonly ok: false; readonly reason: RefusalReason; readonly detail: string };

/** Why a request is refused. For logs: the sender is told nothing but that it was. */
export type RefusalReason =
  | "header-missing"
  | "header-repeated"
  | "header-malformed"
  | "signature-wrong"
  | "outside-time-window"
  | "id-missing"
  | "not-local"
  | "secrets-unavailable";

/** What is signed as a sender would sign it. */
export interface Sample {
  readonly body: Uint8Array;
  /** The id of the delivery, where the scheme has one outside of the body. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface WebhookScheme {
  /** Such as `github`. */
  readonly name: string;
  /** What whoever makes an engine with it should know: it is logged. */
  readonly warning?: string;
  /**
   * Checks that it can verify anything at all: a scheme without secrets must not be served.
   *
   * @throws DefinitionError `SECRET_INVALID`
   */
  check(secrets?: SecretResolver): Promise<void>;
  /** Verifies a request. Resolves for every input; never throws. */
  verify(request: WebhookRequest, secrets?: SecretResolver): Promise<Verification>;
  /**
   * The headers with which a sender sends a body: for tests of a hook.
   *
   * @throws DefinitionError `SECRET_INVALID` when it has no secret that signs
   */
  sign?(sample: Sample, secrets?: SecretResolver): Promise<Readonly<Record<string, string>>>;
}

export function refuse(reason: RefusalReason, detail: string): Verification {
  return { ok: false, reason, detail };
}

/** Something of a request, or why it cannot be used. */
export type Found<T> = { readonly value: T } | { readonly refusal: Verification };

/** The value of a header that must come exactly once, or why it cannot be used. */
export function singleHeader(request: WebhookRequest, name: string, form: RegExp): Found<string> {
  const values = request.headers.filter(([found]) => found.toLowerCase() === name).map(([, value]) => value);
  const [value] = values;
  if (value === undefined) return { refusal: refuse("header-missing", `no ${name}`) };
  if (values.length > 1) return { refusal: refuse("header-repeated", `${values.length} times ${name}`) };
  if (!form.test(value)) return { refusal: refuse("header-malformed", `${name} has not the form ${form.source}`) };
  return { value };
}

export function hasHeader(request: WebhookRequest, name: string): boolean {
  return request.headers.some(([found]) => found.toLowerCase() === name);
}

/** What an id of a delivery looks like in a header: it becomes part of a key. */
export const DELIVERY_ID = /^[A-Za-z0-9_-]{1,128}$/;

/** Seconds since the epoch. */
export const SECONDS = /^[0-9]{1,12}$/;

/** By how much a time-stamp may differ from our clock, both ways, unless an option says otherwise. */
const TOLERANCE_MS = 300_000;

/** @throws DefinitionError `DURATION_INVALID` */
export function toleranceMsOf(tolerance: Duration | undefined): number {
  return tolerance === undefined ? TOLERANCE_MS : parseDuration(tolerance);
}

/** Why an instant is not near enough to when the request came; null: it is. */
export function outsideWindow(request: WebhookRequest, signedAt: number, toleranceMs: number): Verification | null {
  const offMs = Math.abs(request.receivedAt - signedAt);
  if (offMs <= toleranceMs) return null;
  return refuse("outside-time-window", `signed ${Math.round(offMs / 1_000)} s from now`);
}
