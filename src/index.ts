/**
 * Varve: durable workflows in your own process.
 *
 * @example
 * import { workflow } from "varve";
 * import { createEngine } from "varve/node";
 *
 * const greet = workflow({ name: "greet" }, async (ctx, input: { name: string }) => {
 *   const text = await ctx.step("compose", () => `Hello, ${input.name}`);
 *   await ctx.sleep("pause", "1s");
 *   return text;
 * });
 * const engine = await createEngine({ db: "file:varve.db", workflows: [greet] });
 * const run = await engine.start(greet, { name: "Ada" });
 * console.log(await run.result());
 */

export type { CacheOptions } from "./ctx/cache.ts";
export type { ChildOptions, ChildStartOptions, DetachedRun, NamedChildOptions } from "./ctx/child.ts";
export type { Ctx, MapOptions, Settled, SignalPayload, Tolerance, ToleratingMapOptions } from "./ctx/ctx.ts";
export type { Kv, KvOf, KvScope } from "./ctx/kv.ts";
export type { LockOptions } from "./ctx/lock.ts";
export type { StepCallOptions, StepContext, StepOptions } from "./ctx/step-options.ts";
export type { CannotBeStored, IfStorable, Storable } from "./ctx/storable.ts";
export type { WaitOptions } from "./ctx/wait-for.ts";
export type { WaitForMessageOptions } from "./ctx/wait-for-message.ts";
export type {
  DeclaredWorkflow,
  Sent,
  Workflow,
  WorkflowDeclarer,
  WorkflowFactory,
  WorkflowOptions,
} from "./ctx/workflow.ts";
// Define workflows
export { declareWorkflow, isWorkflow, withEnv, workflow } from "./ctx/workflow.ts";
// Work with an engine
export type { Engine, Health, LockInfo, LocksOptions, TickResult, WorkerHandle, WorkflowInfo } from "./engine/api.ts";
export type {
  DecidedOutcome,
  Deliveries,
  Delivery,
  DeliveryDecision,
  DeliveryInfo,
  DeliveryListOptions,
  DeliveryOutcome,
  DeliveryPage,
} from "./engine/api-deliveries.ts";
export type { ApiKey, ApiKeys, ApiScope, NewApiKey } from "./engine/api-keys.ts";
export type {
  ListMessagesOptions,
  MessageDecision,
  MessageDetail,
  MessageInfo,
  MessagePage,
  PublishedMessage,
  PublishOptions,
} from "./engine/api-messages.ts";
export type {
  EndpointInfo,
  NotificationInfo,
  NotificationListOptions,
  NotificationPage,
  NotificationStatus,
  Notifications,
} from "./engine/api-notifications.ts";
export type { QueueChange, QueueControl, QueueInfo } from "./engine/api-queues.ts";
export type { Resumes } from "./engine/api-resumes.ts";
export type {
  AnySignals,
  ReasonOptions,
  RerunOptions,
  RunHandle,
  RunInfo,
  SignalOptions,
  StartedRun,
  StartOptions,
} from "./engine/api-run.ts";
export type { BulkAction, BulkOptions, BulkResult, ListOptions, RunPage } from "./engine/api-run-list.ts";
export type {
  BackfillOptions,
  BackfillResult,
  FiringInfo,
  FiringsPage,
  InstantInfo,
  NewScheduleOptions,
  ScheduleChanges,
  ScheduleInfo,
  Schedules,
  SchedulesPage,
  TriggerResult,
} from "./engine/api-schedules.ts";
export type { BreakerOptions } from "./kernel/breaker.ts";
export type { Payload } from "./kernel/codec.ts";
export { decodePayload } from "./kernel/codec.ts";
export type { Duration } from "./kernel/duration.ts";
// Errors
export type { ErrorFacts } from "./kernel/errors.ts";
export {
  BreakerOpenError,
  CancelledError,
  ClosedError,
  ConflictError,
  DatabaseOwnedError,
  DefinitionError,
  ForeignAwaitError,
  isVarveError,
  LeaseLostError,
  LimitError,
  MapFailedError,
  NotFoundError,
  OutcomeUnknownError,
  PayloadError,
  ReplayDivergedError,
  RetryableError,
  RunCancelledError,
  RunFailedError,
  StepFailedError,
  StoreError,
  TerminalError,
  TimeoutError,
  ValidationError,
  VarveError,
} from "./kernel/errors.ts";
export type {
  BreakerStatus,
  EventData,
  EventOf,
  EventType,
  KeyedAction,
  RunEvent,
  Tags,
  Trigger,
} from "./kernel/events.ts";
export type { KeyedPage, KeyedScope } from "./kernel/keyed.ts";
export type {
  KeyedEntry,
  KeyedOptions,
  KeyedValues,
  KeyedValuesOf,
  KeyedWriteOptions,
} from "./kernel/keyed-values.ts";
export type { Limits } from "./kernel/limits.ts";
export type { FairShare, PlaceHold, PlaceLimit } from "./kernel/place-limit.ts";
export type { Logger, LogLevel } from "./kernel/ports.ts";
export type { QueueOptions, Queues } from "./kernel/queues.ts";
export type { ResumeOptions, ResumeTicket } from "./kernel/resume.ts";
export type { Backoff, RetryOptions } from "./kernel/retry.ts";
export type { RunExpression } from "./kernel/run-expression.ts";
export type {
  ConcurrencyRule,
  FairnessRule,
  RateRule,
  RunKey,
  RunNumber,
  RunRules,
  SingletonRule,
  ThrottleRule,
} from "./kernel/run-rules.ts";
export type { RunStatus } from "./kernel/state.ts";
export type { WaitingFor, WaitKind, WaitReason, Why } from "./kernel/why.ts";
export type { SignalMap, WorkflowRef } from "./kernel/workflow-ref.ts";
export type { BusEventName, BusEvents, BusListener, EngineNotices } from "./observe/bus.ts";
// Tell others by webhooks
export type { NotifyEndpoint } from "./outgoing/notify.ts";
export { notify } from "./outgoing/notify.ts";
export type { ScheduleDefinition, ScheduleInput, ScheduleOptions, ScheduleRules } from "./scheduler/definition.ts";
export type { CatchUpOptions, CatchUpPolicy, Overlap } from "./scheduler/policy.ts";
// Define schedules
export { schedule } from "./scheduler/schedule.ts";
export type { Calendar, CalendarField, DstPolicy, Exception, ScheduleSpec, ScheduleTimes } from "./scheduler/spec.ts";
export { scheduleTimes } from "./scheduler/times.ts";
export { cel } from "./triggers/cel.ts";
export type { DecisionReason } from "./triggers/decide.ts";
export type { DeliveryIdSource } from "./triggers/delivery-id.ts";
export { github } from "./triggers/github.ts";
export { gitlab } from "./triggers/gitlab.ts";
export type { HmacOptions, HmacTimestamp } from "./triggers/hmac.ts";
export { hmac } from "./triggers/hmac.ts";
export type {
  DeliveryCondition,
  DeliveryExpression,
  Hook,
  HookBase,
  HookOptions,
  HookSignal,
  HookTarget,
  SignallingHookOptions,
  StartingHookOptions,
  WebhookDelivery,
} from "./triggers/hook.ts";
// Start runs by webhooks, or tell them something
export { webhook } from "./triggers/hook.ts";
export type { HmacAlgorithm, MacEncoding } from "./triggers/mac.ts";
export type { MessageExpression } from "./triggers/message-expression.ts";
export type { NoneOptions } from "./triggers/none.ts";
export { none } from "./triggers/none.ts";
export type { Notice, NoticeData, NotifyOptions } from "./triggers/outgoing.ts";
export type { RefusalReason, Sample, Verification, WebhookRequest, WebhookScheme } from "./triggers/scheme.ts";
export type { TimedSchemeOptions } from "./triggers/secret-scheme.ts";
export type { SecretReference, SecretResolver, Secrets } from "./triggers/secrets.ts";
export { env } from "./triggers/secrets.ts";
export { shopify } from "./triggers/shopify.ts";
export type { BasicOptions, ShownSecretOptions } from "./triggers/shown-secret.ts";
export { basic, bearer } from "./triggers/shown-secret.ts";
export { slack } from "./triggers/slack.ts";
export { standardWebhooks } from "./triggers/standard-webhooks.ts";
export { stripe } from "./triggers/stripe.ts";
export type {
  BatchOptions,
  CancelOn,
  DebounceOptions,
  EndTrigger,
  Message,
  RunEnd,
  Subscription,
  TopicTrigger,
  WorkflowTrigger,
} from "./triggers/subscription.ts";
export type { WorkerOptions } from "./worker/options.ts";
export type { LogLine, RunFacts } from "./worker/recorder.ts";
