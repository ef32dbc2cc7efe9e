/**
 * How an endpoint is defined. What sends to it comes along with the definition: an engine without endpoints, such as that
 * of a small isolate, does not carry it.
 */
import { DefinitionError } from "../kernel/errors.ts";
import { invalidOption } from "../kernel/options.ts";
import type { Outbound } from "../kernel/ports.ts";
import { checkEndpoint, type Endpoint, type NotifyOptions } from "../triggers/outgoing.ts";
import { Notifier, type NotifierParts } from "./notifier.ts";

/** Survives duplicated packages. */
const ENDPOINT = Symbol.for("varve.endpoint");

/** An endpoint, as {@link notify} returns it. */
export interface NotifyEndpoint {
  readonly name: string;
  readonly [ENDPOINT]: {
    readonly endpoint: Endpoint;
    /** Makes what sends to all endpoints of an engine. */
    readonly open: (parts: NotifierParts) => Notifier;
  };
}

/**
 * Defines an endpoint of outgoing webhooks, which `createEngine({ notify: [...] })` takes, and `varve serve` finds among a
 * module's exports. Each event of the log that fits is sent at least once, under an id that stays the same.
 *
 * @throws DefinitionError `ENDPOINT_INVALID`, `DURATION_INVALID`
 * @example
 * export const billing = notify({
 *   name: "billing",
 *   url: "https://billing.example.com/hooks/varve",
 *   secrets: env("BILLING_SECRET"),
 *   events: ["run.completed", "run.failed"],
 *   workflow: "charge",
 * });
 */
export function notify(options: NotifyOptions): NotifyEndpoint {
  const endpoint = checkEndpoint(options);
  return { name: endpoint.name, [ENDPOINT]: { endpoint, open: (parts) => new Notifier(parts) } };
}

/** Whether `value` is what {@link notify} returned. */
export function isNotifyEndpoint(value: unknown): value is NotifyEndpoint {
  return typeof value === "object" && value !== null && ENDPOINT in value;
}

/**
 * What sends to the endpoints of an engine; null: it has none.
 *
 * @throws DefinitionError `ENDPOINT_INVALID`
 */
export function openNotifier(
  endpoints: readonly NotifyEndpoint[],
  { outbound, ...parts }: Omit<NotifierParts, "endpoints" | "outbound"> & { readonly outbound: Outbound | undefined },
): Notifier | null {
  if (!Array.isArray(endpoints)) throw invalidOption("notify", "a list of endpoints", endpoints);
  const names = new Set<string>();
  for (const endpoint of endpoints) {
    if (isNotifyEndpoint(endpoint) && !names.has(endpoint.name)) names.add(endpoint.name);
    else {
      const found = isNotifyEndpoint(endpoint) ? `"${endpoint.name}" twice` : "something else";
      throw new DefinitionError(
        "ENDPOINT_INVALID",
        `expected each endpoint once, as \`notify(...)\` returned it, but found ${found}`,
        { what: "notify" },
      );
    }
  }
  const [first] = endpoints as readonly NotifyEndpoint[];
  if (first === undefined) return null;
  if (outbound === undefined) throw invalidOption("outbound", "given with notify", outbound);
  return first[ENDPOINT].open({
    ...parts,
    outbound,
    endpoints: endpoints.map((each: NotifyEndpoint) => each[ENDPOINT].endpoint),
  });
}
