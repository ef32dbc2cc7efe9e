/** What all schemes share that verify by secrets: they are required at the start, and asked for anew at each request. */

import type { Duration } from "../kernel/duration.ts";
import { toFailure } from "../kernel/failure.ts";
import { checkOptions } from "../kernel/options.ts";
import {
  refuse,
  type Sample,
  toleranceMsOf,
  type Verification,
  type WebhookRequest,
  type WebhookScheme,
} from "./scheme.ts";
import { currentSecrets, requireSecrets, type Secrets } from "./secrets.ts";

/** What a scheme is made with whose sender signs by a secret, and an instant with it. */
export interface TimedSchemeOptions {
  /** By reference, `env("NAME")`; during a rotation the new one and the old one. */
  readonly secrets: Secrets;
  /** How far the time-stamp may be from our clock, both ways. @default "5m" */
  readonly tolerance?: Duration;
}

/** What a request is verified by. */
export interface Proof {
  /** The secrets as they are now. Ask for them once the request has what they prove: they may come from far away. */
  secrets(): Promise<readonly string[]>;
  readonly toleranceMs: number;
}

/** What is a scheme's own. */
export interface SecretSchemeParts {
  readonly name: string;
  /** @throws DefinitionError `SECRET_INVALID` for a secret that this scheme cannot use */
  readonly requireForm?: (secret: string) => void;
  verify(request: WebhookRequest, proof: Proof): Promise<Verification>;
  /** @param secrets at least one, and none of them empty */
  sign(sample: Sample, secrets: readonly string[]): Promise<Readonly<Record<string, string>>>;
}

/** @throws DefinitionError `DURATION_INVALID` */
export function secretScheme(
  options: TimedSchemeOptions,
  { name, requireForm, verify, sign }: SecretSchemeParts,
): WebhookScheme {
  checkOptions(name, options);
  const { secrets, tolerance } = options;
  const toleranceMs = toleranceMsOf(tolerance);
  return {
    name,
    check: async (resolve) => {
      for (const secret of await requireSecrets(name, secrets, resolve)) requireForm?.(secret);
    },
    verify: (request, resolve) =>
      closed(() => verify(request, { secrets: () => currentSecrets(secrets, resolve), toleranceMs })),
    sign: async (sample, resolve) => await sign(sample, await requireSecrets(name, secrets, resolve)),
  };
}

/**
 * Secrets may come from elsewhere, and then from somewhere that does not answer: without them nothing is proved. What the
 * error says is left out: nobody knows what is in it.
 */
async function closed(verify: () => Promise<Verification>): Promise<Verification> {
  try {
    return await verify();
  } catch (error) {
    return refuse("secrets-unavailable", `the scheme failed with ${toFailure(error).name}`);
  }
}
