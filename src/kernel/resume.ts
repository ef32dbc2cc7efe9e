/**
 * Resume tokens: the right to send one signal to one run, once, as a text for an address. Nothing is recorded of them: a
 * token says what it is good for, and its signature that one of our secrets made it.
 *
 * Form: base64url of the JSON `[runId, signal, call]`, a dot, base64url of the HMAC-SHA-256 of what stands before it.
 *
 * T1 What a token says is not looked at before its signature is known to be good.
 * T2 Signatures are compared under every secret, in a time that tells nothing.
 */
import { hmac } from "@noble/hashes/hmac";
import { sha256 } from "@noble/hashes/sha2";
import { utf8ToBytes } from "@noble/hashes/utils";
import { fromBase64Url, toBase64Url } from "./base64.ts";
import { DefinitionError } from "./errors.ts";
import { invalidOption } from "./options.ts";
import { isSameText, plainHttpAddress, shownAddress } from "./text.ts";

/** How `ctx.resumeUrl` makes addresses. */
export interface ResumeOptions {
  /** Where the HTTP app is mounted, for those who open the address: `https://example.org/varve`. */
  readonly baseUrl: string;
  /**
   * What signs: a random text of at least 32 characters. Up to 16 of them, for rotation: the first signs, and what any of
   * them has signed is good. It is neither stored nor shown.
   */
  readonly secret: string | readonly string[];
}

/** What the address that `ctx.resumeUrl` made is good for. */
export interface ResumeTicket {
  readonly runId: string;
  /** The name of the signal that it sends. */
  readonly signal: string;
}

/** All that a token says. */
export interface SignedTicket extends ResumeTicket {
  /** Tells this call of `ctx.resumeUrl` from every other one of its run. */
  readonly call: string;
}

/** Makes tokens, and reads those that it has made. */
export interface ResumeSigner {
  /** The address that has the ticket's token. */
  url(ticket: SignedTicket): string;
  /** What a token is good for; null: its signature is not good. */
  read(token: string): SignedTicket | null;
}

/** The last part of an address before its token. */
export const RESUME_PATH = "/resume";

/** Says what is signed, so that a secret which signs something else too makes no token. */
const PURPOSE = "varve.resume.v1\n";

const SECRET_LENGTH_MIN = 32;
const SECRETS_MAX = 16;

/** Longer than any that we make: 256 characters of each name, in the worst form of each. */
const TOKEN = /^([A-Za-z0-9_-]{1,8192})\.([A-Za-z0-9_-]{43})$/;

/**
 * The signer of these options.
 *
 * @throws DefinitionError `SECRET_INVALID`, `OPTION_INVALID`
 */
export function resumeSigner(options: ResumeOptions): ResumeSigner {
  const { baseUrl, secret } = checkObject(options);
  const address = plainHttpAddress(baseUrl);
  if (address === null) {
    const found = typeof baseUrl === "string" ? shownAddress(baseUrl) : baseUrl;
    throw invalidOption("resume.baseUrl", "an address such as https://example.org/varve", found);
  }
  const keys = checkSecrets(secret).map((text) => utf8ToBytes(text));
  return {
    url: ({ runId, signal, call }) => {
      const body = toBase64Url(utf8ToBytes(JSON.stringify([runId, signal, call])));
      return `${address}${RESUME_PATH}/${body}.${signature(keys[0] as Uint8Array, body)}`;
    },
    read: (token) => {
      const [, body, mac] = TOKEN.exec(token) ?? [];
      if (body === undefined || mac === undefined) return null;
      const isGood = keys.map((key) => isSameText(signature(key, body), mac)).includes(true);
      return isGood ? ticketOf(body) : null;
    },
  };
}

function signature(key: Uint8Array, body: string): string {
  return toBase64Url(hmac(sha256, key, utf8ToBytes(`${PURPOSE}${body}`)));
}

function ticketOf(body: string): SignedTicket {
  const [runId, signal, call] = JSON.parse(new TextDecoder().decode(fromBase64Url(body))) as [string, string, string];
  return { runId, signal, call };
}

function checkObject(options: ResumeOptions): { readonly baseUrl: unknown; readonly secret: unknown } {
  if (typeof options === "object" && options !== null) return options;
  throw invalidOption("resume", "an object with baseUrl and secret", options);
}

function checkSecrets(secret: unknown): readonly string[] {
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
  const isLong = (each: unknown): each is string => typeof each === "string" && each.length >= SECRET_LENGTH_MIN;
  if (secrets.length > 0 && secrets.length <= SECRETS_MAX && secrets.every(isLong)) return secrets;
  throw new DefinitionError(
    "SECRET_INVALID",
    `expected resume.secret to be a random text of at least ${SECRET_LENGTH_MIN} characters, or a list of 1 to ${SECRETS_MAX} of them, but found something else; \`openssl rand -base64 32\` makes one`,
  );
}
