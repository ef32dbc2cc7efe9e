/** Errors as `application/problem+json` (RFC 9457): the one place that says which status an error has. */
import { type ErrorFacts, isVarveError, VarveError } from "../kernel/errors.ts";
import { toFailure } from "../kernel/failure.ts";
import { lossyJson } from "../kernel/json.ts";
import type { Ports } from "../kernel/ports.ts";
import { RESUME_PATH } from "../kernel/resume.ts";
import { clipText } from "../kernel/text.ts";
import type { WireProblem } from "./wire.ts";

/** The API itself refuses a request, and may say how to ask better in headers. */
export class RefusalError extends VarveError {
  override readonly name = "RefusalError";
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: string, message: string, facts: ErrorFacts = {}, headers: Readonly<Record<string, string>> = {}) {
    super(code, message, facts);
    this.headers = headers;
  }
}

/** What a code means, where its class does not say it all. */
const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  REQUEST_INVALID: 400,
  JSON_INVALID: 400,
  BODY_UNREADABLE: 400,
  POSITION_INVALID: 400,
  NAME_INVALID: 400,
  TOPIC_INVALID: 400,
  DURATION_INVALID: 400,
  LIMIT_INVALID: 400,
  STATUS_INVALID: 400,
  OPTION_INVALID: 400,
  SCHEDULE_INVALID: 400,
  SIGNAL_UNKNOWN: 400,
  SIGNAL_INVALID: 400,
  UNAUTHENTICATED: 401,
  HOOK_REFUSED: 401,
  SCOPE_MISSING: 403,
  PEER_REFUSED: 403,
  HOST_REFUSED: 403,
  ORIGIN_REFUSED: 403,
  METHOD_UNKNOWN: 405,
  BODY_TOO_LARGE: 413,
  PAYLOAD_TOO_LARGE: 413,
  CONTENT_TYPE_UNSUPPORTED: 415,
  RUN_FAILED: 424,
  RUN_CANCELLED: 424,
  QUEUE_UNKNOWN: 400,
  LIMIT_KEY_INVALID: 422,
  INBOX_FULL: 429,
  RATE_LIMITED: 429,
  SCHEDULES_OFF: 501,
};

/** What a class means. Of the others, also of Varve's, a request cannot be the cause. */
const STATUS_BY_CLASS: Readonly<Record<string, number>> = {
  NotFoundError: 404,
  ConflictError: 409,
  ValidationError: 422,
  PayloadError: 422,
  LimitError: 422,
  ClosedError: 503,
  DatabaseOwnedError: 503,
};

/** The longest text of a problem, and of its facts together: what is refused may be long. */
const DETAIL_LENGTH_MAX = 2_048;
const FACTS_LENGTH_MAX = 16_384;

/** When to ask again after a 503, seconds. */
const RETRY_AFTER_S = "1";

/** The status of an error. */
function statusOf(error: unknown): number {
  if (!isVarveError(error)) return 500;
  if (error.name === "StoreError") return error.facts["retry"] === true ? 503 : 500;
  const byCode = Object.hasOwn(STATUS_BY_CODE, error.code) ? STATUS_BY_CODE[error.code] : undefined;
  return byCode ?? STATUS_BY_CLASS[error.name] ?? 500;
}

/** The answer to a request that met `error`. What is our own fault is logged, and told without its inside. */
export function problemResponse(error: unknown, ports: Pick<Ports, "logger" | "random">, request: Request): Response {
  const problem = problemOf(error, occurrence(ports));
  if (problem.status >= 500) {
    const { instance, status } = problem;
    const fields = { instance, status, method: request.method, path: loggedPath(request), error: toFailure(error) };
    ports.logger.log("error", "a request could not be served", fields);
  }
  return problemText(problem, headersOf(error, problem.status));
}

/** The token of a resume URL is a right, which readers of log lines do not have. */
function loggedPath(request: Request): string {
  const { pathname } = new URL(request.url);
  const token = pathname.lastIndexOf(`${RESUME_PATH}/`);
  return token < 0 ? pathname : `${pathname.slice(0, token)}${RESUME_PATH}/…`;
}

/** A problem as an answer. */
function problemText(problem: WireProblem, headers: Readonly<Record<string, string>>): Response {
  const text = JSON.stringify(problem);
  return new Response(text, {
    status: problem.status,
    headers: { ...headers, "content-type": "application/problem+json" },
  });
}

/** Names one answer, so that its log line is found. */
function occurrence({ random }: Pick<Ports, "random">): string {
  const hex = [...random.bytes(8)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `urn:varve:occurrence:${hex.join("")}`;
}

/** The problem that an error is. */
function problemOf(error: unknown, instance: string): WireProblem {
  const status = statusOf(error);
  if (status >= 500) return ourFault(error, status, instance);
  const { code, message, name, facts } = error as VarveError;
  const known = lossyJson(facts, FACTS_LENGTH_MAX) as WireProblem["facts"];
  const shown = known === undefined || Object.keys(known).length === 0 ? {} : { facts: known };
  return { ...head(code, status), detail: clipText(message, DETAIL_LENGTH_MAX), code, instance, name, ...shown };
}

function ourFault(error: unknown, status: number, instance: string): WireProblem {
  const code = isVarveError(error) && status === 503 ? error.code : "INTERNAL";
  const detail =
    status === 503
      ? "the engine cannot take the request at the moment; ask again"
      : "the request could not be served; the log line with this instance says why";
  return { ...head(code, status), detail, code, instance };
}

function head(code: string, status: number): Pick<WireProblem, "type" | "title" | "status"> {
  const words = code.toLowerCase().split("_");
  const title = words.join(" ");
  return {
    type: `urn:varve:problem:${words.join("-")}`,
    title: title.charAt(0).toUpperCase() + title.slice(1),
    status,
  };
}

function headersOf(error: unknown, status: number): Readonly<Record<string, string>> {
  if (error instanceof RefusalError) return error.headers;
  if (isVarveError(error, "RATE_LIMITED"))
    return { "retry-after": String(Math.ceil(Number(error.facts["retryAfterMs"]) / 1_000)) };
  return status === 503 ? { "retry-after": RETRY_AFTER_S } : {};
}
