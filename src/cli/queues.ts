/** `varve queues list|pause|resume|set` */
import type { Command } from "commander";
import type { QueueControl, QueueInfo } from "../engine/api-queues.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { openForWriting } from "./access.ts";
import { integerArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import type { Output } from "./output.ts";
import { action, type Call, group, type Target, verb, withServer, withShared } from "./verb.ts";

const JSON_HELP = `
--json prints a queue as { name, concurrency, defined, paused, held, waiting, steps: { held, waiting }, workers }: defined is what
the engine was given (null: this process was not given it), held and waiting are its runs, and of steps those that have or want a
slot; workers are those that serve it and live.`;

interface SetOptions {
  readonly concurrency?: number;
  readonly reset: boolean;
}

export function queuesVerb(): Command {
  const tells = (name: "pause" | "resume", summary: string) =>
    withShared(withServer(verb(name, summary)))
      .argument("<queue>", "its name")
      .addHelpText("after", JSON_HELP)
      .action(action((call: Call<object>, queue: string) => tell(call, (queues) => queues[name](queue))));
  return group("queues", "Lists, pauses, resumes and resizes queues", [
    withShared(withServer(verb("list", "Lists queues, and how many runs and steps are in them")))
      .addHelpText("after", "\n--json prints { queues: [...] }.")
      .action(action(listQueues)),
    tells("pause", "Lets no more runs and steps in; those that are in go on"),
    tells("resume", "Lets runs and steps in again"),
    withShared(withServer(verb("set", "Changes how many runs and steps are worked on at once")))
      .argument("<queue>", "its name")
      .option("-c, --concurrency <count>", "so many", integerArgument(1, 10_000))
      .option("--reset", "as many as the engine was given", false)
      .addHelpText("after", JSON_HELP)
      .action(action(resize)),
  ]);
}

async function listQueues({ output, target }: Call<object>): Promise<number> {
  const queues = await withQueues(target, (control) => control.list());
  if (output.json) output.document({ queues });
  else if (queues.length === 0) output.note("no queues");
  else printTable(output, queues);
  return EXIT.ok;
}

async function resize({ output, target, options }: Call<SetOptions>, queue: string): Promise<number> {
  const { concurrency, reset } = options;
  if ((concurrency === undefined) !== reset)
    throw new DefinitionError(
      "OPTIONS_CONFLICT",
      "expected either --concurrency or --reset, but found both or neither",
    );
  return await tell({ output, target }, (queues) => queues.set(queue, { concurrency: concurrency ?? null }));
}

async function tell(
  { output, target }: Pick<Call<object>, "output" | "target">,
  act: (queues: QueueControl) => Promise<QueueInfo>,
): Promise<number> {
  const queue = await withQueues(target, act);
  if (output.json) output.document(queue);
  else printTable(output, [queue]);
  return EXIT.ok;
}

function printTable(output: Output, queues: readonly QueueInfo[]): void {
  output.table<QueueInfo>(
    [
      { title: "QUEUE", value: ({ name }) => name },
      { title: "CONCURRENCY", value: ({ concurrency }) => (concurrency === null ? "" : String(concurrency)) },
      { title: "STATE", value: ({ paused }) => (paused ? "paused" : "open") },
      { title: "HELD", value: ({ held }) => String(held) },
      { title: "WAITING", value: ({ waiting }) => String(waiting) },
      { title: "WORKERS", value: ({ workers }) => String(workers) },
      { title: "STEPS HELD", value: ({ steps }) => String(steps.held) },
      { title: "STEPS WAITING", value: ({ steps }) => String(steps.waiting) },
    ],
    queues,
  );
}

async function withQueues<T>(target: Target, act: (queues: QueueControl) => Promise<T>): Promise<T> {
  const { engine, close } = await openForWriting(target);
  try {
    return await act(engine.queues);
  } finally {
    await close();
  }
}
