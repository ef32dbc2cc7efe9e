/** All verbs, and what `varve --help` says. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { dbVerb } from "./db.ts";
import { devVerb } from "./dev.ts";
import { doctorVerb } from "./doctor.ts";
import { keysVerb } from "./keys.ts";
import { queuesVerb } from "./queues.ts";
import { runVerb } from "./run.ts";
import { runsCancelVerb } from "./runs-cancel.ts";
import { runsListVerb } from "./runs-list.ts";
import { runsPauseVerb } from "./runs-pause.ts";
import { runsRerunVerb } from "./runs-rerun.ts";
import { runsResumeVerb } from "./runs-resume.ts";
import { runsRetryVerb } from "./runs-retry.ts";
import { runsShowVerb } from "./runs-show.ts";
import { runsSignalVerb } from "./runs-signal.ts";
import { runsTerminateVerb } from "./runs-terminate.ts";
import { runsWatchVerb } from "./runs-watch.ts";
import { runsWhyVerb } from "./runs-why.ts";
import { serveVerb } from "./serve.ts";
import { group } from "./verb.ts";

const HELP = `
Where the log is: --url or VARVE_URL (a server), else --db or VARVE_DB (a file or a libSQL server), else file:varve.db.
A file that a varve server owns is reached through that server; reading works beside any owner.

Output: data on stdout, everything else on stderr. --json prints JSON (what watches: one document a line). A pipe gets
tab-separated values instead of aligned columns. Colour is for terminals: NO_COLOR, FORCE_COLOR, --no-color.

Exit codes: 0 ok, 1 the run failed or is stuck, 2 usage or invalid input, 3 not found, 4 cancelled, 5 not in time,
6 conflict, 7 database or server, 70 a bug, 130 Ctrl-C, 143 SIGTERM.`;

export function createProgram(): Command {
  const program = new Command("varve")
    .description("Durable workflows: an append-only log in libSQL, resumed by replay.")
    .version(packageVersion(), "-V, --version")
    .addHelpText("after", HELP);
  program.addCommand(serveVerb());
  program.addCommand(devVerb());
  program.addCommand(runVerb());
  const looks = [runsListVerb(), runsShowVerb(), runsWhyVerb(), runsWatchVerb()];
  const tells = [runsSignalVerb(), runsCancelVerb(), runsTerminateVerb(), runsPauseVerb(), runsResumeVerb()];
  const again = [runsRetryVerb(), runsRerunVerb()];
  program.addCommand(
    group("runs", "Lists, shows and watches runs, and tells them what to do", [...looks, ...tells, ...again]),
  );
  program.addCommand(queuesVerb());
  program.addCommand(dbVerb());
  program.addCommand(doctorVerb());
  program.addCommand(keysVerb());
  return program;
}

function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
