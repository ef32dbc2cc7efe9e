/** Topics: what messages are about, in segments joined by dots, and patterns that mean several. */
import { DefinitionError } from "../kernel/errors.ts";

/** The longest topic, in characters. */
const TOPIC_LENGTH_MAX = 128;

/** What begins so is ours: nobody publishes there. */
const OURS = "varve.";

/** On this topic and a status the engine says how runs end. */
export const RUN_ENDS = "varve.run";

const TOPIC = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
const PATTERN = /^(\*|[A-Za-z0-9_-]+)(\.(\*|[A-Za-z0-9_-]+))*$/;

/**
 * Checks a topic that somebody publishes on.
 *
 * @throws DefinitionError `TOPIC_INVALID`
 */
export function checkTopic(topic: unknown): string {
  return check("a topic", topic, TOPIC, "segments of letters, digits, - and _, joined by dots, such as orders.paid");
}

/**
 * Checks a topic that somebody listens to. `*` stands for one segment; as the last one, for one or more.
 *
 * @throws DefinitionError `TOPIC_INVALID`
 */
export function checkPattern(what: string, pattern: unknown): string {
  return check(what, pattern, PATTERN, "a topic such as orders.paid, where * stands for a segment, such as orders.*");
}

function check(what: string, found: unknown, form: RegExp, expected: string): string {
  const problem = problemOf(found, form);
  if (problem === null) return found as string;
  const message = `expected ${what} to be ${expected}, at most ${TOPIC_LENGTH_MAX} characters, but ${problem}`;
  throw new DefinitionError("TOPIC_INVALID", message, { what, topic: found });
}

function problemOf(found: unknown, form: RegExp): string | null {
  if (typeof found !== "string") return `found ${found === null ? "null" : typeof found}`;
  if (found.length > TOPIC_LENGTH_MAX) return `found ${found.length} characters`;
  if (found.startsWith(OURS))
    return `${JSON.stringify(found)} begins with "${OURS}", which the engine keeps for itself`;
  if (form.test(found)) return null;
  const place = [...found].findIndex((_, i) => !form.test(`${found.slice(0, i + 1).replace(/\.$/, "")}`));
  return `found ${JSON.stringify(found)}${place >= 0 ? `: look at character ${place + 1}` : ""}`;
}

/** Whether `pattern` means `topic`. */
export function meansTopic(pattern: string, topic: string): boolean {
  if (!pattern.includes("*")) return pattern === topic;
  const wanted = pattern.split(".");
  const found = topic.split(".");
  const isOpen = wanted.at(-1) === "*";
  if (isOpen ? found.length < wanted.length : found.length !== wanted.length) return false;
  return wanted.every((segment, i) => segment === "*" || segment === found[i]);
}
