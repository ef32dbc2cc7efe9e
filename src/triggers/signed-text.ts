/** What a sender signs: its body, with an instant or an id before or after it. */
import { DefinitionError } from "../kernel/errors.ts";
import { joinedBytes } from "./mac.ts";

/** A part of what is signed: a text that is always the same, or what stands for it in a request. */
type Part = { readonly text: string } | { readonly name: SignedName };

type SignedName = (typeof NAMES)[number];

const NAMES = ["timestamp", "id", "body"] as const;

/** What is signed of one request. */
export interface SignedValues {
  readonly timestamp: string;
  readonly id: string;
  readonly body: Uint8Array;
}

/** Makes the signed bytes. */
export type SignedBytes = (values: SignedValues) => Uint8Array<ArrayBuffer>;

/**
 * Compiles a text such as `v0:{timestamp}:{body}`.
 *
 * @param needed names that must be in it: what is not signed, anybody can change
 * @param known names that the scheme can fill
 * @throws DefinitionError `SCHEME_INVALID`, which names the position
 */
export function compileSigned(
  text: string,
  { needed, known }: { readonly needed: readonly SignedName[]; readonly known: readonly SignedName[] },
): SignedBytes {
  const parts = parse(text, known);
  for (const name of needed) {
    const count = parts.filter((part) => "name" in part && part.name === name).length;
    if (count !== 1) throw invalid(text, text.length, `{${name}} once, but found it ${count} times`);
  }
  return (values) => joinedBytes(...parts.map((part) => ("text" in part ? part.text : values[part.name])));
}

function parse(text: string, known: readonly SignedName[]): Part[] {
  if (typeof text !== "string") throw invalid(String(text), 0, `a text, but found ${typeof text}`);
  const parts: Part[] = [];
  let at = 0;
  for (const match of text.matchAll(/\{([^{}]*)\}|[{}]/g)) {
    const name = NAMES.find((each) => each === match[1] && known.includes(each));
    const names = known.map((each) => `{${each}}`).join(", ");
    if (name === undefined) throw invalid(text, match.index, `one of ${names}, but found ${JSON.stringify(match[0])}`);
    if (match.index > at) parts.push({ text: text.slice(at, match.index) });
    parts.push({ name });
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push({ text: text.slice(at) });
  return parts;
}

function invalid(text: string, position: number, problem: string): DefinitionError {
  return new DefinitionError(
    "SCHEME_INVALID",
    `expected signed of the webhook scheme "hmac", ${JSON.stringify(text)}, to have at character ${position + 1} ${problem}`,
    { scheme: "hmac", field: "signed", position },
  );
}
