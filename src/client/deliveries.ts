/** Webhook deliveries of an engine that is elsewhere. */
import type {
  DecidedOutcome,
  Deliveries,
  Delivery,
  DeliveryListOptions,
  DeliveryPage,
  RefusedRequest,
} from "../engine/api-deliveries.ts";
import type { RunHandle } from "../engine/api-run.ts";
import type {
  WireDelivery,
  WireDeliveryContent,
  WireDeliveryPage,
  WireRefusedRequests,
} from "../http/wire-deliveries.ts";
import { fromBase64 } from "../kernel/base64.ts";
import { isVarveError } from "../kernel/errors.ts";
import { checkPathName } from "../kernel/text.ts";
import { API_PATH } from "./paths.ts";
import { type Connection, requestJson } from "./request.ts";

const DELIVERIES_PATH = `${API_PATH}/deliveries`;

export class HttpDeliveries implements Deliveries {
  readonly #connection: Connection;
  readonly #run: (runId: string) => RunHandle;

  constructor(connection: Connection, run: (runId: string) => RunHandle) {
    this.#connection = connection;
    this.#run = run;
  }

  async list(options: DeliveryListOptions = {}): Promise<DeliveryPage> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(options)) if (value !== undefined) query.set(name, String(value));
    const path = query.size === 0 ? DELIVERIES_PATH : `${DELIVERIES_PATH}?${query}`;
    return (await requestJson<WireDeliveryPage>(this.#connection, { path })) as DeliveryPage;
  }

  async get(hook: string, id: string, { replay = 0 }: { readonly replay?: number } = {}): Promise<Delivery | null> {
    const path = `${pathOf(hook, id)}?replay=${replay}`;
    try {
      const { body, ...delivery } = await requestJson<WireDeliveryContent>(this.#connection, { path });
      return { ...delivery, body: fromBase64(body) };
    } catch (error) {
      if (isVarveError(error, "DELIVERY_NOT_FOUND")) return null;
      throw error;
    }
  }

  async replay(hook: string, id: string): Promise<DecidedOutcome> {
    const path = `${pathOf(hook, id)}/replay`;
    const outcome = await requestJson<WireDelivery>(this.#connection, { method: "POST", path, body: {} });
    const { deliveryId, replay, decision, runId, created, reason } = outcome;
    const facts = { deliveryId, replay, isRepeat: false, resultWithinMs: null };
    if ((decision === "started" || decision === "signalled") && runId !== null) {
      const run = Object.assign(this.#run(runId), { created, skipped: false });
      return { ...facts, kind: "accepted", decision, run, reason: null };
    }
    const why = reason ?? { code: "UNKNOWN", message: "the server does not say" };
    if (decision === "ignored") return { ...facts, kind: "accepted", decision, run: null, reason: why };
    return { deliveryId, replay, isRepeat: false, kind: "invalid", reason: why };
  }

  async refused(): Promise<readonly RefusedRequest[]> {
    const path = `${DELIVERIES_PATH}/refused`;
    return (await requestJson<WireRefusedRequests>(this.#connection, { path })).refused as RefusedRequest[];
  }
}

function pathOf(hook: string, id: string): string {
  const parts = [checkPathName("the name of a hook", hook), checkPathName("the id of a delivery", id)];
  return `${DELIVERIES_PATH}/${parts.map(encodeURIComponent).join("/")}`;
}
