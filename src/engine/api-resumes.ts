/** Resume addresses as users of the engine, the HTTP layer and the client see them. */
import type { ResumeTicket } from "../kernel/resume.ts";

/** The tokens at the end of the addresses that `ctx.resumeUrl` makes. For whoever serves them without `varve/http`. */
export interface Resumes {
  /**
   * What a token is good for. Looks at its signature alone, and asks nothing of the log.
   *
   * @throws NotFoundError `RESUME_UNKNOWN` for a token that none of our secrets has signed
   */
  requireTicket(token: string): ResumeTicket;
  /**
   * Sends the signal of a token, once: again it does nothing, and resolves as before.
   *
   * @throws as `requireTicket`, and as `run.signal`
   * @example await engine.resumes.redeem(token, { by: "ada" });
   */
  redeem(token: string, payload?: unknown): Promise<ResumeTicket>;
}
