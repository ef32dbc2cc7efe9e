export interface HranaServerOptions {
  /** The database file; created when it does not exist, switched to WAL. */
  readonly path: string;
  /** @default 0: any free port */
  readonly port?: number;
  /** How long a stream may wait for its next request. @default 10_000 */
  readonly streamIdleMs?: number;
  /** How long a transaction keeps the write lock once another stream wants it. @default 5_000 */
  readonly transactionMs?: number;
}

export interface HranaServer {
  readonly url: string;
  /** Pipelines received so far. */
  readonly requests: number;
  /** Streams open now: zero when every client has closed its own. */
  readonly streams: number;
  /** Rolls back what is open, closes the file and every connection. */
  close(): Promise<void>;
}

/** Serves a database file to `@libsql/client` on a loopback address. */
export function startHranaServer(options: HranaServerOptions): Promise<HranaServer>;
