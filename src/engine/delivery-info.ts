/** Deliveries as their readers see them. Pure. */
import type { DecidedDelivery, DeliveryId, DeliveryRow } from "../log/port-deliveries.ts";
import type { DecisionReason } from "../triggers/decide.ts";
import type { Delivery, DeliveryInfo } from "./api-deliveries.ts";

/** Headers that prove who sends: kept, they would be a secret in the log. */
const SECRET_HEADERS = new Set(["authorization", "cookie", "proxy-authorization", "x-gitlab-token"]);

/** The headers that are stored. */
export function keptHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !SECRET_HEADERS.has(name)));
}

/** What a start by a delivery is known by. A replay is a stimulus of its own. No two of them have the same text. */
export function idempotencyKeyOf({ hook, deliveryId, replay }: DeliveryId): string {
  return replay === 0 ? `hook/${hook}/${deliveryId}` : `hook-replay-${replay}/${hook}/${deliveryId}`;
}

export function deliveryInfo(row: DecidedDelivery): DeliveryInfo {
  const { hook, deliveryId: id, replay, receivedAt, decision, runId, bytes } = row;
  return { hook, id, replay, receivedAt, decision, runId, reason: reasonOf(row), bytes };
}

/** @param content of the request, which its replays share */
export function deliveryOfRow(row: DecidedDelivery, content: DeliveryRow["content"]): Delivery {
  const { headers, body } = content ?? { headers: {}, body: new Uint8Array() };
  return { ...deliveryInfo(row), bytes: body.length, headers, body };
}

export function reasonOf({ reason }: Pick<DecidedDelivery, "reason">): DecisionReason | null {
  return reason === null ? null : (JSON.parse(reason) as DecisionReason);
}
