/** Resume tokens, redeemed: each sends its signal once. */
import { isVarveError, NotFoundError } from "../kernel/errors.ts";
import type { ResumeSigner, ResumeTicket, SignedTicket } from "../kernel/resume.ts";
import type * as api from "./api-resumes.ts";
import type { RunHandle } from "./api-run.ts";
import { signalToken } from "./handle.ts";

export class SignedResumes implements api.Resumes {
  readonly #signer: ResumeSigner | null;
  readonly #run: (runId: string) => RunHandle;

  constructor(signer: ResumeSigner | null, run: (runId: string) => RunHandle) {
    this.#signer = signer;
    this.#run = run;
  }

  requireTicket(token: string): ResumeTicket {
    return shown(this.#ticket(token));
  }

  async redeem(token: string, payload?: unknown): Promise<ResumeTicket> {
    const ticket = this.#ticket(token);
    const run = this.#run(ticket.runId);
    const dedupeKey = dedupeKeyOf(ticket);
    try {
      await run.signal(ticket.signal, payload, { dedupeKey });
    } catch (error) {
      // It may have been the very signal that let the run come to its end.
      if (!isVarveError(error, "RUN_OVER") || !(await hasReceived(run, dedupeKey))) throw error;
    }
    return shown(ticket);
  }

  /** What is wrong with a token is told to nobody, nor whether there are tokens here at all. */
  #ticket(token: string): SignedTicket {
    const ticket = this.#signer?.read(token) ?? null;
    if (ticket !== null) return ticket;
    throw new NotFoundError("RESUME_UNKNOWN", "expected a token of a resume URL, but found none that is good");
  }
}

function shown({ runId, signal }: SignedTicket): ResumeTicket {
  return { runId, signal };
}

/** Of the ticket and not of its signature: signed again by another secret it is the same ticket. */
function dedupeKeyOf({ call }: SignedTicket): string {
  return `resume/${call}`;
}

async function hasReceived(run: RunHandle, dedupeKey: string): Promise<boolean> {
  const token = signalToken(run.id, dedupeKey);
  return (await run.history()).some((event) => event.type === "signal.received" && event.data.token === token);
}
