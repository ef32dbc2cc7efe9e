/** Which runs are meant: the options of `runs list`, and of the verbs that are done to many runs. */
import type { Command } from "commander";
import type { BulkOptions } from "../engine/api-run-list.ts";
import type { RunStatus } from "../kernel/state.ts";
import { instantArgument, statusArgument, tagArgument } from "./arguments.ts";

export interface FilterOptions {
  readonly workflow?: string;
  readonly status?: readonly RunStatus[];
  readonly tag?: Readonly<Record<string, string>>;
  readonly id?: string;
  readonly parent?: string;
  readonly since?: number;
  readonly until?: number;
}

/** What runs are told apart by. */
export type Filter = Omit<BulkOptions, "ids" | "limit" | "reason">;

export function withFilter(command: Command): Command {
  const instant = instantArgument(Date.now);
  return command
    .option("-w, --workflow <name>", "only of this workflow")
    .option("-s, --status <status>", "only of these statuses, separated by commas", statusArgument)
    .option("-t, --tag <name=value>", "only with this tag; may be repeated", tagArgument)
    .option("--id <key>", "only with this idempotency key")
    .option("--parent <run>", "only those that this run has started")
    .option("--since <instant>", "created at or after: ISO 8601, or how long ago, such as 2h", instant)
    .option("--until <instant>", "created before", instant);
}

/** The filter; an empty one if nothing was said. */
export function filterOf({ workflow, status, tag, id, parent, since, until }: FilterOptions): Filter {
  return {
    ...(workflow === undefined ? {} : { workflow }),
    ...(status === undefined ? {} : { status }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(id === undefined ? {} : { idempotencyKey: id }),
    ...(parent === undefined ? {} : { parentId: parent }),
    ...(since === undefined ? {} : { createdFrom: since }),
    ...(until === undefined ? {} : { createdBefore: until }),
  };
}
