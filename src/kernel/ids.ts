/**
 * Ids that sort by their time: 48 bits of milliseconds and 60 random bits in Crockford's base 32, 22 characters after
 * the prefix. Within one source they strictly increase, also within a millisecond and when the clock goes back.
 */
import type { Clock, Random } from "./ports.ts";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const TIME_CHARS = 10;
const RANDOM_CHARS = 12;

/** Makes ids of one kind. */
export type IdSource = () => string;

/**
 * A source of ids with `prefix`, seeded by its ports: the same ports give the same ids.
 *
 * @example idSource("run", ports)() // "run_01kak3zj5z9w2m4q0c7h8e"
 */
export function idSource(prefix: string, ports: { clock: Pick<Clock, "now">; random: Random }): IdSource {
  let lastMs = -1;
  let tail: number[] = [];
  return () => {
    const ms = Math.max(Math.floor(ports.clock.now()), lastMs);
    tail = ms === lastMs ? increment(tail) : randomTail(ports.random);
    lastMs = ms;
    return `${prefix}_${timeText(ms)}${tail.map((digit) => ALPHABET[digit]).join("")}`;
  };
}

function randomTail(random: Random): number[] {
  const digits = Array.from(random.bytes(RANDOM_CHARS), (byte) => byte & 31);
  // The first bit stays clear, so that counting up within a millisecond cannot overflow.
  digits[0] = (digits[0] as number) & 15;
  return digits;
}

function increment(digits: readonly number[]): number[] {
  const next = [...digits];
  for (let i = next.length - 1; i >= 0; i--) {
    next[i] = ((next[i] as number) + 1) & 31;
    if (next[i] !== 0) break;
  }
  return next;
}

function timeText(ms: number): string {
  let text = "";
  let rest = ms;
  for (let i = 0; i < TIME_CHARS; i++) {
    text = ALPHABET[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/** The instant in an id of {@link idSource}, or null if it is none. */
export function idTime(id: string): number | null {
  const match = /^[a-z]+_([0-9a-hjkmnp-tv-z]{10})[0-9a-hjkmnp-tv-z]{12}$/.exec(id);
  if (!match) return null;
  return [...(match[1] as string)].reduce((ms, char) => ms * 32 + ALPHABET.indexOf(char), 0);
}
