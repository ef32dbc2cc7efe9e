/** Where a text stops being JSON. `JSON.parse` says it in another way on each runtime, or not at all. */

/** What is wrong with a text that is no JSON. */
export interface JsonError {
  /** UTF-16 units before it. */
  readonly offset: number;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly expected: string;
  readonly found: string;
}

type Place = "value" | "value or ]" | "name" | "name or }" | "colon" | "after";

const SPACE = new Set([" ", "\t", "\n", "\r"]);
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;
const ESCAPES = new Set(['"', "\\", "/", "b", "f", "n", "r", "t"]);
const HEX4 = /[0-9a-fA-F]{4}/y;

/** The first place at which `text` is no JSON; null: it is JSON. Keeps its own stack, so depth costs no call. */
export function findJsonError(text: string): JsonError | null {
  const open: ("[" | "{")[] = [];
  let place: Place = "value";
  let at = 0;
  for (;;) {
    while (SPACE.has(text.charAt(at))) at++;
    const char = text.charAt(at);
    const inner = open.at(-1);
    const isName: boolean = place === "name" || place === "name or }";
    if (place === "after") {
      if (inner === undefined) return char === "" ? null : errorAt(text, at, "the end of the text");
      if (char === ",") place = inner === "[" ? "value" : "name";
      else if (char === (inner === "[" ? "]" : "}")) open.pop();
      else return errorAt(text, at, inner === "[" ? "a comma or ]" : "a comma or }");
      at++;
    } else if (place === "colon") {
      if (char !== ":") return errorAt(text, at, "a colon");
      place = "value";
      at++;
    } else if ((place === "value or ]" && char === "]") || (place === "name or }" && char === "}")) {
      open.pop();
      place = "after";
      at++;
    } else if (char === '"') {
      const end = stringEnd(text, at);
      if (typeof end !== "number") return end;
      place = isName ? "colon" : "after";
      at = end;
    } else if (isName) {
      return errorAt(text, at, place === "name" ? "a name in quotes" : "a name in quotes or }");
    } else if (char === "[" || char === "{") {
      open.push(char);
      place = char === "[" ? "value or ]" : "name or }";
      at++;
    } else {
      const end = scalarEnd(text, at);
      if (end === null) return errorAt(text, at, place === "value" ? "a value" : "a value or ]");
      place = "after";
      at = end;
    }
  }
}

function scalarEnd(text: string, at: number): number | null {
  for (const form of [NUMBER, WORD]) {
    form.lastIndex = at;
    if (form.test(text)) return form.lastIndex;
  }
  return null;
}

function stringEnd(text: string, start: number): number | JsonError {
  for (let at = start + 1; ; at++) {
    const char = text.charAt(at);
    if (char === '"') return at + 1;
    if (char === "") return errorAt(text, at, "the closing quote of a text");
    if (char < " ") return errorAt(text, at, "an escape such as \\n for a control character");
    if (char !== "\\") continue;
    at++;
    if (ESCAPES.has(text.charAt(at))) continue;
    HEX4.lastIndex = at + 1;
    if (text.charAt(at) !== "u" || !HEX4.test(text)) return errorAt(text, at, 'an escape: one of "\\/bfnrt or u0000');
    at += 4;
  }
}

function errorAt(text: string, offset: number, expected: string): JsonError {
  const lines = text.slice(0, offset).split("\n");
  const char = String.fromCodePoint(text.codePointAt(offset) ?? 0);
  const found = offset >= text.length ? "the end of the text" : JSON.stringify(char);
  return { offset, line: lines.length, column: (lines.at(-1) ?? "").length + 1, expected, found };
}
