/** Workflow modules for their schemas alone: what is written into a database here is checked as the engine would. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import type { RunInfo } from "../engine/api-run.ts";
import { listArgument } from "./arguments.ts";
import { createLoader, DEFAULT_WORKFLOWS, type Loaded } from "./load.ts";
import type { Output } from "./output.ts";

export function withSchemas(command: Command): Command {
  return command.option(
    "--workflows <paths>",
    `without a server: the modules whose schemas check it (${DEFAULT_WORKFLOWS}, if there is one)`,
    listArgument,
    [],
  );
}

/** The modules that are named, or those of the usual directory; null: there are none. */
export async function loadSchemas(paths: readonly string[]): Promise<Loaded | null> {
  if (paths.length === 0 && !existsSync(DEFAULT_WORKFLOWS)) return null;
  const loaded = await createLoader().load(paths.length === 0 ? [DEFAULT_WORKFLOWS] : paths);
  // Hooks want their secrets, which nobody needs for this.
  return { ...loaded, hooks: [], notify: [] };
}

/** Says so when nothing here could check what a run was told. */
export function noteUnchecked(output: Output, { workflow, version }: RunInfo, loaded: Loaded | null): void {
  const isKnown = loaded?.workflows.some((each) => each.name === workflow && each.version === version) === true;
  if (isKnown) return;
  output.note(
    `not checked: no module here has version ${version} of workflow ${workflow}; --workflows names modules, and a server checks by itself`,
  );
}
