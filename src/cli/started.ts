import type { StartedRun } from "../engine/api-run.ts";
import { encodeRun } from "../http/encode-run.ts";
import { EXIT } from "./exit-codes.ts";
import type { Output } from "./output.ts";

/** Prints a run that was started and is not waited for. */
export async function printStarted(output: Output, started: StartedRun): Promise<number> {
  if (output.json) output.document({ ...encodeRun(await started.status()), created: started.created });
  else {
    output.note(started.created ? "started" : "exists already");
    output.line(started.id);
  }
  return EXIT.ok;
}
