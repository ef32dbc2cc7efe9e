/** `varve runs pause` */
import type { Command } from "commander";
import { controlVerb } from "./control.ts";

const HELP = `Steps that run may end, and nothing else begins until \`varve runs resume\`. Signals are kept meanwhile, timers that become
due fire then, and a deadline goes on to count.`;

export function runsPauseVerb(): Command {
  return controlVerb({
    verb: "pause",
    summary: "Holds a run",
    help: HELP,
    hasReason: true,
    tell: (run, options) => run.pause(options),
    told: (id) => `run ${id} holds`,
  });
}
