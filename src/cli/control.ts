/** What the verbs share that tell a run something, or all runs of a filter. */
import type { Command } from "commander";
import type { ReasonOptions, RunHandle } from "../engine/api-run.ts";
import type { BulkAction } from "../engine/api-run-list.ts";
import { statusesFor } from "../engine/bulk.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { openForWriting, type Writer } from "./access.ts";
import { integerArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import { type Filter, type FilterOptions, filterOf, withFilter } from "./run-filter.ts";
import { action, type Call, verb, withServer, withShared } from "./verb.ts";

/** A verb that is done to runs. */
export interface Control {
  readonly verb: BulkAction;
  readonly summary: string;
  /** What it does, for its help. */
  readonly help: string;
  /** Whether it may be given a reason. */
  readonly hasReason: boolean;
  readonly tell: (run: RunHandle, options: ReasonOptions) => Promise<void>;
  /** What is said when it is done to one run. */
  readonly told: (id: string) => string;
}

interface Options extends FilterOptions, ReasonOptions {
  readonly yes: boolean;
  readonly limit?: number;
}

/** The most runs that are counted for somebody who has not said --yes. */
const COUNTED_MAX = 500;

export function controlVerb(control: Control): Command {
  const command = withFilter(withShared(withServer(verb(control.verb, control.summary))))
    .argument("[run]", "its id; without: all that fit the options")
    .option("-n, --limit <count>", "at most so many (10000)", integerArgument(1, 1_000_000))
    .option("-y, --yes", "it is meant for all runs that fit", false);
  if (control.hasReason) command.option("-r, --reason <text>", "why; kept in the run's history");
  return command
    .addHelpText("after", helpOf(control))
    .action(
      action((call: Call<Options>, id: string | undefined) =>
        id === undefined ? toMany(control, call) : toOne(control, call, id),
      ),
    );
}

function helpOf({ verb, help }: Control): string {
  return `
${help}
Without a run it is done to all that fit the options and can take it (${statusesFor(verb).join(", ")}), newest first.
--json prints { id, requested: true }, or { done, skipped, more } for many: skipped are those that could not take it,
more says whether the limit left some.

Examples:
  varve runs ${verb} run_01k9x...
  varve runs ${verb} --workflow import --since 2h --yes`;
}

async function toOne(control: Control, { output, target, options }: Call<Options>, id: string): Promise<number> {
  if (Object.keys(filterOf(options)).length > 0) {
    throw new DefinitionError(
      "OPTIONS_CONFLICT",
      "expected either a run's id or options that runs fit, but found both",
    );
  }
  const { engine, close } = await openForWriting(target);
  try {
    await control.tell(engine.run(id), reasonOf(options));
  } finally {
    await close();
  }
  if (output.json) output.document({ id, requested: true });
  else output.line(control.told(id));
  return EXIT.ok;
}

async function toMany({ verb }: Control, { output, target, options }: Call<Options>): Promise<number> {
  const filter = filterOf(options);
  if (Object.keys(filter).length === 0) {
    throw new DefinitionError(
      "RUN_MISSING",
      "expected a run's id, or options that runs fit, such as --workflow or --status, but found neither",
    );
  }
  const { engine, close } = await openForWriting(target);
  try {
    if (!options.yes) throw await unconfirmed(engine, verb, filter);
    const limit = options.limit === undefined ? {} : { limit: options.limit };
    const result = await engine.bulk(verb, { ...filter, ...limit, ...reasonOf(options) });
    const { done, skipped, more } = result;
    if (output.json) output.document(result);
    else output.line(`${verb}: ${done} done${skipped === 0 ? "" : `, ${skipped} could not take it`}`);
    if (more) output.note("there are more: the same again does the next");
    return EXIT.ok;
  } finally {
    await close();
  }
}

function reasonOf({ reason }: Options): ReasonOptions {
  return reason === undefined ? {} : { reason };
}

/** Says how many it would be. */
async function unconfirmed(engine: Writer, verb: BulkAction, filter: Filter): Promise<DefinitionError> {
  const { runs, cursor } = await engine.list({ status: statusesFor(verb), ...filter, limit: COUNTED_MAX });
  const count = cursor === null ? `${runs.length}` : `more than ${runs.length}`;
  return new DefinitionError(
    "CONFIRMATION_MISSING",
    `expected --yes, because ${count} ${runs.length === 1 ? "run fits" : "runs fit"}, but found none; nothing was done`,
    { runs: runs.length, more: cursor !== null },
  );
}
