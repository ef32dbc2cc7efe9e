/**
 * Varve over HTTP: webhooks, runs, the log as it grows.
 *
 * @example
 * import { createApp } from "varve/http";
 *
 * const app = createApp(engine);
 */
export type { AppOptions } from "./app.ts";
export { createApp } from "./app.ts";
export type { Auth, LoopbackOptions } from "./auth.ts";
// The wire, for those who write a client
export type {
  WireBulkRequest,
  WireBulkResult,
  WireEvent,
  WireFailure,
  WireHistoryPage,
  WireLogPosition,
  WirePayloadMeta,
  WireProblem,
  WireReasonRequest,
  WireRerunRequest,
  WireRun,
  WireRunPage,
  WireSignalRequest,
  WireStartedRun,
  WireStartRequest,
  WireWorkflowList,
} from "./wire.ts";
export type {
  WireDelivery,
  WireDeliveryContent,
  WireDeliveryPage,
  WireDeliveryResult,
  WireRefusedRequests,
} from "./wire-deliveries.ts";
