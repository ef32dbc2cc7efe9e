/**
 * Secrets by reference. A definition names them; what they are is asked for when a request is verified or signed, and is kept
 * nowhere: not in the log, not in errors, not in log lines.
 */
import { DefinitionError } from "../kernel/errors.ts";

/** Survives duplicated packages. */
const REFERENCE = Symbol.for("varve.secret");

/** Names of secrets, newest first. What they are is known to a {@link SecretResolver}. */
export interface SecretReference {
  readonly names: readonly string[];
  readonly [REFERENCE]: true;
}

/** Finds a secret by its name. Undefined, or an empty text: there is none. */
export type SecretResolver = (name: string) => string | undefined | Promise<string | undefined>;

/**
 * Secrets, newest first: what any of them proves is good, so that they can be rotated. By reference ({@link env}), by a
 * function that is asked at each request, or as they are.
 */
export type Secrets = SecretReference | readonly string[] | (() => readonly string[] | Promise<readonly string[]>);

/**
 * Names secrets instead of holding them: variables of the environment on Node, Deno and Bun, texts of `env` in an
 * isolate, or whatever the engine's option `secrets` finds by them. During a rotation name the new one and the old one.
 *
 * @throws DefinitionError `SECRET_INVALID` for a name that is none
 * @example github({ secrets: env("GITHUB_WEBHOOK_SECRET") });
 */
export function env(...names: readonly string[]): SecretReference {
  if (names.length > 0 && names.every((name) => /^[A-Za-z0-9_./:-]{1,256}$/.test(name)))
    return { names, [REFERENCE]: true };
  throw new DefinitionError(
    "SECRET_INVALID",
    'expected env("NAME"), with one or more names of letters, digits and _ . / : -, but found something else; does it hold the secret itself?',
  );
}

/** Whether `secrets` is what {@link env} returned. */
export function isReference(secrets: unknown): secrets is SecretReference {
  return typeof secrets === "object" && secrets !== null && REFERENCE in secrets;
}

/** The secrets as they are now; one that cannot be found is left out. */
export async function currentSecrets(
  secrets: Secrets,
  resolve: SecretResolver | undefined,
): Promise<readonly string[]> {
  if (typeof secrets === "function") return await secrets();
  if (!isReference(secrets)) return secrets;
  const found = await Promise.all(secrets.names.map(async (name) => await resolve?.(name)));
  return found.filter((secret): secret is string => secret !== undefined && secret !== "");
}

/** Whose secrets are asked for, as errors name it. */
export interface SecretOwner {
  readonly what: string;
  /** What follows if it has none. */
  readonly without: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/**
 * The secrets of a webhook scheme, of which there must be one and none empty.
 *
 * @throws DefinitionError `SECRET_INVALID`, which names those that are missing
 */
export async function requireSecrets(
  scheme: string,
  secrets: Secrets,
  resolve: SecretResolver | undefined,
): Promise<readonly string[]> {
  const what = `the webhook scheme "${scheme}"`;
  const owner = { what, without: "a hook without a secret is not served", facts: { scheme } };
  return await requireSecretsOf(owner, secrets, resolve);
}

/**
 * The secrets of anything, of which there must be one and none empty.
 *
 * @throws DefinitionError `SECRET_INVALID`, which names those that are missing
 */
export async function requireSecretsOf(
  owner: SecretOwner,
  secrets: Secrets,
  resolve: SecretResolver | undefined,
): Promise<readonly string[]> {
  if (isReference(secrets)) await requireNamed(owner, secrets, resolve);
  const current = await currentSecrets(secrets, resolve);
  const found = !Array.isArray(current)
    ? "no list of texts"
    : current.length === 0
      ? "none"
      : current.some((secret) => typeof secret !== "string" || secret === "")
        ? "an empty one"
        : null;
  if (found === null) return current;
  throw new DefinitionError(
    "SECRET_INVALID",
    `expected at least one secret for ${owner.what} and none of them empty, but found ${found}; ${owner.without}`,
    owner.facts,
  );
}

async function requireNamed(
  { what, facts }: SecretOwner,
  { names }: SecretReference,
  resolve: SecretResolver | undefined,
): Promise<void> {
  const found = await Promise.all(names.map(async (name) => (await resolve?.(name)) ?? ""));
  const missing = names.filter((_, i) => found[i] === "");
  if (missing.length === 0) return;
  const hint =
    resolve === undefined
      ? "nothing here knows secrets by name: give the engine the option `secrets`"
      : "set them, or give the engine the option `secrets` that knows them";
  throw new DefinitionError(
    "SECRET_INVALID",
    `expected the secrets of ${what} that its definition names, but found none under ${missing.join(", ")}; ${hint}`,
    { ...facts, missing },
  );
}
