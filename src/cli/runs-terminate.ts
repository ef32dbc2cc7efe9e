/** `varve runs terminate` */
import type { Command } from "commander";
import { controlVerb } from "./control.ts";

const HELP = `Its code is not asked: nothing is put in order, and no compensation runs. \`varve runs cancel\` asks it.`;

export function runsTerminateVerb(): Command {
  return controlVerb({
    verb: "terminate",
    summary: "Ends a run without asking its code",
    help: HELP,
    hasReason: true,
    tell: (run, options) => run.terminate(options),
    told: (id) => `run ${id} ends`,
  });
}
