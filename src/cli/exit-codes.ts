/** What the process's exit code says. Stable: scripts rely on it. */
import { isVarveError } from "../kernel/errors.ts";

export const EXIT = {
  ok: 0,
  /** The run failed, or is stuck; `doctor` or `db verify` found a problem. */
  failed: 1,
  /** The command line, a file or a value is not as it must be. */
  usage: 2,
  /** No such run, workflow or key. */
  notFound: 3,
  cancelled: 4,
  /** It was not there in time; the run goes on. */
  timedOut: 5,
  /** Contradicts what is recorded: another input under a used key, a run that has ended. */
  conflict: 6,
  /** The database or the server could not do it, or let nobody in. */
  storage: 7,
  /** Something threw where nothing should: a bug of Varve's, or of a module that does what it does not wait for. */
  internal: 70,
  /** Ctrl-C. */
  interrupted: 130,
  /** A second SIGTERM, which does not wait. */
  terminated: 143,
} as const;

/** By the name of the error's class: what the user does next. */
const BY_NAME: Readonly<Record<string, number>> = {
  DefinitionError: EXIT.usage,
  ValidationError: EXIT.usage,
  PayloadError: EXIT.usage,
  LimitError: EXIT.usage,
  NotFoundError: EXIT.notFound,
  RunFailedError: EXIT.failed,
  RunCancelledError: EXIT.cancelled,
  TimeoutError: EXIT.timedOut,
  ConflictError: EXIT.conflict,
  DatabaseOwnedError: EXIT.storage,
  StoreError: EXIT.storage,
  ClosedError: EXIT.storage,
};

/** What a server lets nobody in with, whatever class it has. */
const ENTRY_CODES = new Set(["UNAUTHENTICATED", "SCOPE_MISSING", "PEER_REFUSED", "HOST_REFUSED", "ORIGIN_REFUSED"]);

export function exitCodeOf(error: unknown): number {
  if (isVarveError(error) && ENTRY_CODES.has(error.code)) return EXIT.storage;
  return (error instanceof Error ? BY_NAME[error.name] : undefined) ?? EXIT.internal;
}
