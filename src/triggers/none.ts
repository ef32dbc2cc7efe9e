/** No scheme at all, for a developer's own machine. */
import { checkOptions } from "../kernel/options.ts";
import { checkIdSource, type DeliveryIdSource, deliveryIdOf } from "./delivery-id.ts";
import { refuse, type WebhookScheme } from "./scheme.ts";

export interface NoneOptions {
  /** Where the id of a delivery comes from, by which a repeat is known. @default "body": a digest of it */
  readonly id?: DeliveryIdSource;
}

/**
 * Verifies nothing, and takes requests of this machine alone: those of a server on loopback without keys, as `varve dev`
 * is. Dedupe key: what `id` names. Time window: none. An engine that has one says so in its log.
 *
 * @throws DefinitionError `SCHEME_INVALID`
 * @example webhook({ name: "try", scheme: none(), workflow: greet });
 */
export function none(options: NoneOptions = {}): WebhookScheme {
  checkOptions("none", options);
  const id = checkIdSource("none", options.id ?? "body");
  return {
    name: "none",
    warning: "this hook verifies nothing: every program of this machine can use it; give it a scheme before others do",
    check: async () => {},
    verify: async (request) => {
      if (request.isLocal !== true)
        return refuse("not-local", "it verifies nothing, so it takes only what this machine sends");
      const deliveryId = await deliveryIdOf(request, id);
      return "refusal" in deliveryId ? deliveryId.refusal : { ok: true, deliveryId: deliveryId.value };
    },
    sign: async (sample) => (typeof id === "object" && "header" in id ? { [id.header]: sample.id } : {}),
  };
}
