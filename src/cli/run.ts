/** `varve run` */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import type { Client } from "../client/client.ts";
import type { Engine } from "../engine/api.ts";
import type { StartedRun, StartOptions } from "../engine/api-run.ts";
import { encodeRun } from "../http/encode-run.ts";
import { DefinitionError, isVarveError } from "../kernel/errors.ts";
import { toFailure } from "../kernel/failure.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import type { Reader } from "../runtime/read-only.ts";
import { type Access, findServer, openEngine } from "./access.ts";
import { durationArgument, inputFieldArgument, listArgument, tagArgument } from "./arguments.ts";
import { failureText } from "./error-text.ts";
import { EXIT } from "./exit-codes.ts";
import { follow } from "./follow.ts";
import { type InputOptions, readInput } from "./input.ts";
import { createLoader, DEFAULT_WORKFLOWS, isModule, type Loaded } from "./load.ts";
import { loggerOf } from "./logger.ts";
import { Progress } from "./progress.ts";
import { exitCodeOfRun } from "./run-text.ts";
import { type StopSignals, stopSignals } from "./signals.ts";
import { printStarted } from "./started.ts";
import { action, type Call, verb, withServer, withShared } from "./verb.ts";

const HELP = `
If a server owns the database, or one is named by --url, it is asked to do it: --wait waits for the end. Else the
database is opened here and worked on until the run ends; killed in the middle, the same command with the same --id
goes on with the same run.

The output is printed on stdout, as JSON. --json prints the HTTP API's Run, with created: whether this made it.

Examples:
  varve run greet -i name=Ada -i times=3
  varve run fulfil --input @order.json --id order-17 --wait
  echo '{"name":"Ada"}' | varve run greet --input - --timeout 30s
  varve run ./workflows/greet.ts`;

interface Options extends InputOptions {
  readonly workflows: readonly string[];
  readonly wait: boolean;
  readonly detach: boolean;
  readonly id?: string;
  readonly tag?: Readonly<Record<string, string>>;
  readonly delay?: number;
  readonly deadline?: number;
  readonly timeout?: number;
}

export function runVerb(): Command {
  return withShared(withServer(verb("run", "Starts a run, and shows its steps")))
    .argument("<workflow>", "its name, or a module that has one")
    .option("-i, --field <name=value>", "a field of the input: JSON, else text; may be repeated", inputFieldArgument)
    .option("--input <json>", "the input: @file, - for stdin, or JSON")
    .option("--workflows <paths>", `where the modules are`, listArgument, [])
    .option("--wait", "wait for the run's end also when a server does it", false)
    .option("--detach", "record the start and return; do not work on it here", false)
    .option("--id <key>", "the idempotency key: a start with a used one finds its run")
    .option("-t, --tag <name=value>", "a label; may be repeated", tagArgument)
    .option("--delay <duration>", "begin so much later, such as 10m", durationArgument)
    .option("--deadline <duration>", "the run fails if it has not ended by then", durationArgument)
    .option("--timeout <duration>", "wait no longer; the run goes on", durationArgument)
    .addHelpText("after", HELP)
    .action(action(run));
}

async function run(call: Call<Options>, name: string): Promise<number> {
  const { target, options } = call;
  if (options.wait && options.detach) {
    throw new DefinitionError("OPTIONS_CONFLICT", "expected --wait or --detach, but found both");
  }
  const input = await readInput("--input", options);
  const isFile = isModule(name) && existsSync(name);
  const fromFile = isFile ? await createLoader().load([name]) : null;
  const workflow = fromFile === null ? name : onlyWorkflow(name, fromFile);
  const server = await findServer(target);
  if (server !== null) return await runThere(call, workflow, input, server);
  const paths = options.workflows.length === 0 ? [DEFAULT_WORKFLOWS] : options.workflows;
  const loaded = fromFile ?? (await createLoader().load(paths));
  try {
    return await runHere(call, workflow, input, loaded);
  } catch (error) {
    // A server may have come up while the modules were loaded.
    const owner = isVarveError(error, "DATABASE_OWNED") ? await findServer(target) : null;
    if (owner === null) throw error;
    return await runThere(call, workflow, input, owner);
  }
}

/** Asks a server. */
async function runThere(
  call: Call<Options>,
  workflow: string,
  input: unknown,
  { engine, via }: Access<Client>,
): Promise<number> {
  const started = await engine.start(workflow, input, startOptions(call.options));
  return await (call.options.wait ? wait(call, engine, started, via) : printStarted(call.output, started));
}

/** Opens the database here, and works on it until the run ends. */
async function runHere(call: Call<Options>, workflow: string, input: unknown, loaded: Loaded): Promise<number> {
  const { target, options, output } = call;
  const engine: Engine = await openEngine(target, { loaded, works: !options.detach, logger: loggerOf(output) });
  try {
    const started = await engine.start(workflow, input, startOptions(options));
    return await (options.detach ? printStarted(call.output, started) : wait(call, engine, started, null));
  } finally {
    await engine.close();
  }
}

function onlyWorkflow(file: string, { workflows }: Loaded): string {
  const [first, second] = workflows;
  if (first !== undefined && second === undefined) return first.name;
  const names = workflows.map(({ name }) => name).join(", ");
  throw new DefinitionError(
    "WORKFLOW_AMBIGUOUS",
    `expected ${file} to export one workflow, but found ${names}; run one by its name with --workflows ${file}`,
    { file, names },
  );
}

function startOptions({ id, tag, delay, deadline }: Options): StartOptions {
  return {
    ...(id === undefined ? {} : { idempotencyKey: id }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(delay === undefined ? {} : { delay }),
    ...(deadline === undefined ? {} : { deadline }),
  };
}

/** @param server where the run is worked on; null: here */
async function wait(
  call: Call<Options>,
  engine: Reader,
  { id, created }: StartedRun,
  server: string | null,
): Promise<number> {
  const { output, options } = call;
  const stop = stopSignals();
  const over = limit(stop.signal, options.timeout);
  output.note(output.noteColors.dim(`run ${id}${created ? "" : " (exists already)"}`));
  const progress = output.json ? null : new Progress(output);
  const run = await follow(engine, id, { onEvent: (event) => progress?.add(event), signal: over.signal });
  over.end();
  progress?.end();
  const isOver = isTerminalStatus(run.status) || run.status === "stuck";
  if (output.json) output.document({ ...encodeRun(run), created });
  else if (run.status === "completed") printOutput(output, encodeRun(run).output);
  else if (run.error !== undefined) output.note(output.noteColors.red(`failed: ${failureText(toFailure(run.error))}`));
  else if (run.stuck !== undefined)
    output.note(output.noteColors.red(`stuck: ${run.stuck.message} [${run.stuck.code}]`));
  else output.note(`${run.status}${run.cancelReason === undefined ? "" : `: ${run.cancelReason}`}`);
  if (isOver) return exitCodeOfRun(run.status);
  output.note(unfinished(id, options, stop, server));
  return stop.code() ?? EXIT.timedOut;
}

function printOutput(output: Call<Options>["output"], value: unknown): void {
  if (value !== undefined) output.line(output.isTty ? JSON.stringify(value, null, 2) : JSON.stringify(value));
}

/** What becomes of a run that is not waited for any longer. */
function unfinished(id: string, { id: key }: Options, stop: StopSignals, server: string | null): string {
  const why = stop.code() === null ? "not over in time" : "stopped";
  if (server !== null) return `${why}: the run goes on at ${server}; varve runs watch ${id}`;
  const how = key === undefined ? "`varve serve` goes on with it" : "the same command goes on with it";
  return `${why}: the run was handed back; ${how}`;
}

/** Aborted with `signal`, or after `ms`. */
function limit(
  signal: AbortSignal,
  ms: number | undefined,
): { readonly signal: AbortSignal; readonly end: () => void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = ms === undefined ? null : setTimeout(abort, ms);
  signal.addEventListener("abort", abort);
  return {
    signal: controller.signal,
    end: () => {
      if (timer !== null) clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    },
  };
}
