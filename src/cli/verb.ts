/** A verb of the command line: its common options, and how it runs, prints and ends. */
import process from "node:process";
import { Command, type OptionValues } from "commander";
import { errorDocument, errorText } from "./error-text.ts";
import { exitCodeOf } from "./exit-codes.ts";
import { flushed, Output } from "./output.ts";

/** Where the log is. */
export interface Target {
  /** `file:path`, or the address of a libSQL server. */
  readonly db: string;
  /** For a libSQL server. */
  readonly dbToken: string | undefined;
  /** The address of a Varve server: then nothing else is looked at. */
  readonly url: string | undefined;
  /** An API key for a Varve server. */
  readonly key: string | undefined;
  /** Whether several processes write the file. */
  readonly shared: boolean;
}

export interface Call<Options> {
  readonly output: Output;
  readonly target: Target;
  readonly options: Options;
}

/** What a verb does. It returns the exit code; what it throws is printed and becomes one. */
export type Act<Options, Args extends readonly unknown[]> = (call: Call<Options>, ...args: Args) => Promise<number>;

/** A verb with the options that all verbs have. */
export function verb(name: string, summary: string): Command {
  return new Command(name)
    .summary(summary)
    .description(`${summary}.`)
    .option("--json", "print JSON on stdout, and errors as JSON on stderr", false)
    .option("--no-color", "print without colour, also on a terminal");
}

/** Verbs under one name. */
export function group(name: string, summary: string, verbs: readonly Command[]): Command {
  const command = new Command(name).summary(summary).description(`${summary}.`);
  for (const each of verbs) command.addCommand(each);
  return command;
}

/** Adds the options that say where the log is. */
export function withDatabase(command: Command): Command {
  return command
    .option("--db <database>", "file:path, a path, or the address of a libSQL server [env: VARVE_DB] (file:varve.db)")
    .option("--db-token <token>", "for a libSQL server that asks for one [env: VARVE_DB_TOKEN]");
}

/** Adds the options that name a Varve server to speak to. */
export function withServer(command: Command): Command {
  return withDatabase(command)
    .option("--url <address>", "speak to this Varve server, not to a database [env: VARVE_URL]")
    .option("--key <key>", "an API key for the server [env: VARVE_API_KEY]");
}

/** Adds what a verb that writes a file has to know. */
export function withShared(command: Command): Command {
  return command.option("--shared", "other processes write the file too, and say so", false);
}

/** Commander's action for `act`. */
export function action<Options, Args extends readonly unknown[]>(
  act: Act<Options, Args>,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command;
    const values = command.opts();
    const output = new Output({ json: values.json === true, color: values.color !== false });
    // Commander gives the arguments that the verb declares, then the options and itself.
    const args = given.slice(0, -2) as unknown as Args;
    await end(
      await outcome(output, () => act({ output, target: targetOf(values), options: values as Options }, ...args)),
    );
  };
}

/** The interval of a timer that does nothing but keep the process alive: those of the engine do not. */
const KEEP_ALIVE_MS = 2 ** 30;

async function outcome(output: Output, act: () => Promise<number>): Promise<number> {
  const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS);
  try {
    return await act();
  } catch (error) {
    printError(output, error);
    return exitCodeOf(error);
  } finally {
    clearInterval(keepAlive);
  }
}

export function printError(output: Output, error: unknown): void {
  const text = output.json ? JSON.stringify(errorDocument(error)) : errorText(error, output.noteColors);
  process.stderr.write(`${text}\n`);
}

/** Ends the process when all is written, whatever a library still has open. */
async function end(code: number): Promise<never> {
  await flushed();
  process.exit(code);
}

function targetOf(values: OptionValues): Target {
  const { VARVE_DB, VARVE_DB_TOKEN, VARVE_URL, VARVE_API_KEY } = process.env;
  return {
    db: databaseUrl(values.db ?? given(VARVE_DB) ?? "file:varve.db"),
    dbToken: values.dbToken ?? given(VARVE_DB_TOKEN),
    // A database that is named on the command line is meant, whatever the environment says of a server.
    url: values.url ?? (values.db === undefined ? given(VARVE_URL) : undefined),
    key: values.key ?? given(VARVE_API_KEY),
    shared: values.shared === true,
  };
}

/** A bare path is a file. Blanks around an address are dropped: with one before it, it would be a path, and shown whole. */
function databaseUrl(text: string): string {
  const address = text.trim();
  return /^[a-z][a-z0-9+.-]+:/i.test(address) ? address : `file:${address}`;
}

function given(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
