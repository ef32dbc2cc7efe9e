/** `varve runs cancel` */
import type { Command } from "commander";
import { controlVerb } from "./control.ts";

const HELP = `The request is durable when this returns; the run ends when its code has heard of it. A run that nobody works on ends
when a worker takes it up.`;

export function runsCancelVerb(): Command {
  return controlVerb({
    verb: "cancel",
    summary: "Asks for a run's end",
    help: HELP,
    hasReason: true,
    tell: (run, options) => run.cancel(options),
    told: (id) => `asked run ${id} to end`,
  });
}
