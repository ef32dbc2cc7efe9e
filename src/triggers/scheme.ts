/** A webhook scheme: how one kind of sender proves that a request is its own. Pure but for WebCrypto. */

/** A request as it came in. */
export interface WebhookRequest {
  /** Every header in order, as pairs: a header that comes twice is seen twice. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The raw bytes: what the sender signed. */
  readonly body: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
}

/** What a scheme says of a request. */
export type Verification =
  | {
      readonly ok: true;
      /** The sender's id of this delivery; a repeat has the same. */
      readonly deliveryId: string;
    }
  | { readonly ok: false; readonly reason: RefusalReason; readonly detail: string };

/** Why a request is refused. For logs: the sender is told nothing but that it was. */
export type RefusalReason =
  | "header-missing"
  | "header-repeated"
  | "header-malformed"
  | "signature-wrong"
  | "outside-time-window";

export interface WebhookScheme {
  /** Such as `github`. */
  readonly name: string;
  /**
   * Checks that it can verify anything at all: a scheme without secrets must not be served.
   *
   * @throws DefinitionError `SECRET_INVALID`
   */
  check(): Promise<void>;
  /** Verifies a request. Resolves for every input; never throws. */
  verify(request: WebhookRequest): Promise<Verification>;
}

/** Secrets, newest first: a signature by any of them is good, so that they can be rotated. */
export type Secrets = readonly string[] | (() => readonly string[] | Promise<readonly string[]>);

export function refuse(reason: RefusalReason, detail: string): Verification {
  return { ok: false, reason, detail };
}

/** The value of a header that must come exactly once, or why it cannot be used. */
export function singleHeader(
  request: WebhookRequest,
  name: string,
  form: RegExp,
): { readonly value: string } | { readonly refusal: Verification } {
  const values = request.headers.filter(([found]) => found.toLowerCase() === name).map(([, value]) => value);
  const [value] = values;
  if (value === undefined) return { refusal: refuse("header-missing", `no ${name}`) };
  if (values.length > 1) return { refusal: refuse("header-repeated", `${values.length} times ${name}`) };
  if (!form.test(value)) return { refusal: refuse("header-malformed", `${name} has not the form ${form.source}`) };
  return { value };
}
