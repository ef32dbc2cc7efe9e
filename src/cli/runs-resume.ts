/** `varve runs resume` */
import type { Command } from "commander";
import { controlVerb } from "./control.ts";

const HELP = `Does nothing to a run that is not paused. One that is stuck goes on by itself with fixed code.`;

export function runsResumeVerb(): Command {
  return controlVerb({
    verb: "resume",
    summary: "Lets a paused run go on",
    help: HELP,
    hasReason: false,
    tell: (run) => run.resume(),
    told: (id) => `run ${id} goes on`,
  });
}
