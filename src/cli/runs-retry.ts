/** `varve runs retry` */
import type { Command } from "commander";
import { controlVerb } from "./control.ts";

const HELP = `It goes on where it failed: steps that failed run again, with attempts counted anew, and what had completed is kept. After
a cancel it goes on as if nobody had asked for it. \`varve runs rerun\` starts another run instead.`;

export function runsRetryVerb(): Command {
  return controlVerb({
    verb: "retry",
    summary: "Lets a run go on that has failed or was cancelled",
    help: HELP,
    hasReason: false,
    tell: (run) => run.retry(),
    told: (id) => `run ${id} goes on`,
  });
}
