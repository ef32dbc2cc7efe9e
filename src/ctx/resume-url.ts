/** `ctx.resumeUrl`: an address by which somebody outside can go on with the run. */
import { resumeCall } from "../kernel/derive.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { checkPathName } from "../kernel/text.ts";
import type { Recorder, ScopeHandle } from "../worker/recorder.ts";

/** Derived from the run, the scope and the occurrence: it needs no event, and replay gives it again. */
export function resumeUrl({ run, resumes }: Recorder, scope: ScopeHandle, name: string): string {
  const signal = checkPathName("the name of a signal", name);
  if (resumes === null) {
    throw new DefinitionError(
      "RESUME_UNCONFIGURED",
      `expected the engine to know how to make a resume URL for the signal ${JSON.stringify(signal)}, but it has neither an address nor a secret for it: call createEngine with resume: { baseUrl, secret }, or set VARVE_RESUME_URL and VARVE_RESUME_SECRET for the varve command; \`varve runs retry ${run.id}\` goes on with this run then`,
      { signal },
    );
  }
  return resumes.url({
    runId: run.id,
    signal,
    call: resumeCall(run.id, scope.path, signal, scope.next("resume", signal)),
  });
}
