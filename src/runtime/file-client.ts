/**
 * A libSQL client for a file that one process owns: like `@libsql/client`'s own, and it keeps its prepared statements.
 *
 * The engine sends the same few statements for ever, and preparing them anew was a third of the time of a small commit
 * (`bench/`, W2). The package's client prepares each statement each time, and asks it for rows by an exception that is
 * caught. Interactive transactions are left out: they would give the one connection away.
 *
 * I1 One connection. It has no transaction open between two calls.
 * I2 A statement that failed is not used again: what a connection has kept is dropped with every error.
 */
import {
  type Client,
  type Config,
  createClient,
  type InArgs,
  type InStatement,
  LibsqlError,
  type ResultSet,
  type Row,
  type TransactionMode,
  type Value,
} from "@libsql/client";
import Connection from "libsql";
import type { CreateClient } from "../log/libsql/open.ts";

/** The client for each kind of database. */
export const clientFor: CreateClient = (config, kind) =>
  kind === "owned-file" ? new FileClient(config) : createClient(config);

/** The most statements that are kept. The engine has some two hundred; lists have a text for each way of asking. */
const STATEMENTS_MAX = 400;

const BEGIN: { readonly [M in TransactionMode]: string } = {
  write: "BEGIN IMMEDIATE",
  read: "BEGIN DEFERRED",
  deferred: "BEGIN DEFERRED",
};

type Statement = ReturnType<Connection.Database["prepare"]>;

interface Kept {
  readonly statement: Statement;
  /** Null: it returns no rows. */
  readonly answer: Answer | null;
}

/** What the rows of a statement are. */
interface Answer {
  readonly names: string[];
  readonly types: string[];
  readonly rowOf: (cells: unknown[]) => Row;
}

class FileClient implements Client {
  closed = false;
  readonly protocol = "file";
  readonly #path: string;
  readonly #timeout: number;
  #connection: Connection.Database;
  readonly #kept = new Map<string, Kept>();

  constructor({ url, timeout = 0 }: Config) {
    this.#path = url.replace(/^file:/, "");
    this.#timeout = timeout;
    this.#connection = this.#connect();
  }

  #connect(): Connection.Database {
    // `timeout` is an option of libsql that its types, which are those of better-sqlite3, have in the same place.
    return mapped(() => new Connection(this.#path, { timeout: this.#timeout }));
  }

  async execute(statement: InStatement, args?: InArgs): Promise<ResultSet> {
    return this.#guarded(() => this.#run(statement, args));
  }

  async batch(
    statements: readonly (InStatement | [string, InArgs?])[],
    mode: TransactionMode = "deferred",
  ): Promise<ResultSet[]> {
    return this.#guarded(() => {
      this.#run(BEGIN[mode]);
      const results = statements.map((each) => (Array.isArray(each) ? this.#run(each[0], each[1]) : this.#run(each)));
      this.#run("COMMIT");
      return results;
    });
  }

  /** Invariants I1 and I2. */
  #guarded<T>(call: () => T): T {
    if (this.closed) throw new LibsqlError("The client is closed", "CLIENT_CLOSED");
    try {
      return mapped(call);
    } catch (error) {
      this.#kept.clear();
      if (this.#connection.inTransaction) mapped(() => this.#connection.exec("ROLLBACK"));
      throw error;
    }
  }

  #run(statement: InStatement, args?: InArgs): ResultSet {
    const sql = typeof statement === "string" ? statement : statement.sql;
    const values = bindable(typeof statement === "string" ? args : statement.args);
    const { statement: prepared, answer } = this.#prepare(sql);
    if (answer === null) {
      const { changes, lastInsertRowid } = prepared.run(values);
      return resultSet([], [], [], changes, BigInt(lastInsertRowid));
    }
    const { names, types, rowOf } = answer;
    return resultSet(names, types, (prepared.all(values) as unknown[][]).map(rowOf), 0, undefined);
  }

  #prepare(sql: string): Kept {
    const found = this.#kept.get(sql);
    if (found !== undefined) return found;
    const statement = this.#connection.prepare(sql);
    statement.safeIntegers(true);
    const kept = { statement, answer: statement.reader ? answerOf(statement.raw(true).columns()) : null };
    if (this.#kept.size >= STATEMENTS_MAX) this.#dropOldest();
    this.#kept.set(sql, kept);
    return kept;
  }

  #dropOldest(): void {
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  reconnect(): void {
    this.#kept.clear();
    this.#connection.close();
    this.#connection = this.#connect();
    this.closed = false;
  }

  close(): void {
    this.#kept.clear();
    this.#connection.close();
    this.closed = true;
  }

  async transaction(): Promise<never> {
    throw unsupported("an interactive transaction");
  }

  async executeMultiple(): Promise<never> {
    throw unsupported("several statements in one text");
  }

  async migrate(): Promise<never> {
    throw unsupported("a migration without foreign keys");
  }

  async sync(): Promise<never> {
    throw unsupported("a replica");
  }
}

function unsupported(what: string): LibsqlError {
  return new LibsqlError(
    `expected a statement or a batch for a file that this process owns, but found ${what}`,
    "UNSUPPORTED",
  );
}

/** Errors as `@libsql/client` has them, so that whoever judges them need not know which client it was. */
function mapped<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Connection.SqliteError)) throw error;
    const { message, code, rawCode } = error as Error & { readonly code: string; readonly rawCode?: number };
    throw new LibsqlError(message, code.split("_").slice(0, 2).join("_"), code, rawCode, error);
  }
}

function bindable(args: InArgs | undefined): object {
  if (args === undefined) return [];
  if (Array.isArray(args)) return args.map(bindableValue);
  // Names come with or without the sign that they have in SQL.
  return Object.fromEntries(
    Object.entries(args).map(([name, value]) => [name.replace(/^[:@$]/, ""), bindableValue(value)]),
  );
}

function bindableValue(value: unknown): unknown {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (value instanceof Date) return value.valueOf();
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return value;
}

function answerOf(columns: readonly { readonly name: string; readonly type: string | null }[]): Answer {
  const names = columns.map(({ name }) => name);
  return { names, types: columns.map(({ type }) => type ?? ""), rowOf: rowMaker(names) };
}

/**
 * Cells by place and by name; only the names are seen when a row is enumerated. The places are the class's, one class a
 * statement: defining them on each row took fifteen times as long, and a third of the time of a long run's resume.
 */
function rowMaker(names: readonly string[]): Answer["rowOf"] {
  class StatementRow implements Row {
    [name: string]: Value;
    readonly #cells: Value[];

    constructor(cells: unknown[]) {
      const values = cells as Value[];
      this.#cells = values;
      for (let i = 0; i < cells.length; i++) {
        const value = readable(cells[i]);
        values[i] = value;
        this[names[i] as string] = value;
      }
    }

    get length(): number {
      return this.#cells.length;
    }

    static {
      for (const place of names.keys()) {
        Object.defineProperty(StatementRow.prototype, place, {
          get(this: StatementRow) {
            return this.#cells[place];
          },
        });
      }
    }
  }
  return (cells) => new StatementRow(cells);
}

function readable(cell: unknown): Value {
  if (typeof cell === "bigint") {
    const number = Number(cell);
    if (Number.isSafeInteger(number)) return number;
    throw new RangeError(`expected an integer that a number holds, but found ${cell}`);
  }
  if (ArrayBuffer.isView(cell)) {
    const { buffer, byteOffset, byteLength } = cell;
    return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
  }
  return cell as Value;
}

function resultSet(
  columns: string[],
  columnTypes: string[],
  rows: Row[],
  rowsAffected: number,
  lastInsertRowid: bigint | undefined,
): ResultSet {
  const result = { columns, columnTypes, rows, rowsAffected, lastInsertRowid };
  return { ...result, toJSON: () => ({ ...result, lastInsertRowid: lastInsertRowid?.toString() ?? null }) };
}
