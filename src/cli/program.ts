/** All verbs, and what `varve --help` says. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { dbVerb } from "./db.ts";
import { devVerb } from "./dev.ts";
import { doctorVerb } from "./doctor.ts";
import { keysVerb } from "./keys.ts";
import { messagesListVerb } from "./messages-list.ts";
import { messagesShowVerb } from "./messages-show.ts";
import { publishVerb } from "./publish.ts";
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
import { schedulesBackfillVerb } from "./schedules-backfill.ts";
import { schedulesCreateVerb } from "./schedules-create.ts";
import { schedulesDeleteVerb } from "./schedules-delete.ts";
import { schedulesListVerb } from "./schedules-list.ts";
import { schedulesNextVerb } from "./schedules-next.ts";
import { schedulesPauseVerb } from "./schedules-pause.ts";
import { schedulesResumeVerb } from "./schedules-resume.ts";
import { schedulesRunVerb } from "./schedules-run.ts";
import { schedulesShowVerb } from "./schedules-show.ts";
import { serveVerb } from "./serve.ts";
import { group } from "./verb.ts";
import { webhooksListVerb } from "./webhooks-list.ts";
import { webhooksOutgoingVerb } from "./webhooks-outgoing.ts";
import { webhooksReplayVerb } from "./webhooks-replay.ts";
import { webhooksShowVerb } from "./webhooks-show.ts";
import { webhooksTestVerb } from "./webhooks-test.ts";

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
  program.addCommand(publishVerb());
  program.addCommand(
    group("messages", "Lists messages, and shows what became of one", [messagesListVerb(), messagesShowVerb()]),
  );
  const deliveries = [webhooksListVerb(), webhooksShowVerb(), webhooksReplayVerb(), webhooksTestVerb()];
  const webhooks = [...deliveries, webhooksOutgoingVerb()];
  program.addCommand(
    group("webhooks", "Looks at webhook deliveries, replays and tries them; those that go out", webhooks),
  );
  const timetables = [schedulesListVerb(), schedulesShowVerb(), schedulesNextVerb(), schedulesCreateVerb()];
  const holds = [schedulesPauseVerb(), schedulesResumeVerb(), schedulesDeleteVerb()];
  program.addCommand(
    group("schedules", "When workflows run by themselves", [
      ...timetables,
      ...[...holds, schedulesRunVerb(), schedulesBackfillVerb()],
    ]),
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
