import type { Clock, LogLevel, Ports, Random } from "../../src/kernel/ports.ts";

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends Clock {
  /** Goes forward, calling the timers that become due, in order. */
  advance(ms: number): void;
  /** Moves the wall clock only: a clock that jumps. */
  jump(ms: number): void;
}

export function manualClock(start = 1_763_720_000_000): ManualClock {
  let wall = start;
  let mono = 0;
  let timers: { at: number; fn: () => void }[] = [];
  return {
    now: () => wall,
    monotonic: () => mono,
    timer: (ms, fn) => {
      const timer = { at: mono + Math.max(0, ms), fn };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    advance: (ms) => {
      const until = mono + ms;
      for (;;) {
        const next = timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers = timers.filter((timer) => timer !== next);
        wall += next.at - mono;
        mono = next.at;
        next.fn();
      }
      wall += until - mono;
      mono = until;
    },
    jump: (ms) => {
      wall += ms;
    },
  };
}

/** A pseudo-random source that a seed decides (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const float = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { float, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(float() * 256)) };
}

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Real time and macrotasks; log lines are kept. */
export function realPorts(seed = 1): Ports & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  return {
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      timer: (ms, fn) => {
        const timer = setTimeout(fn, Math.min(ms, 2 ** 31 - 1));
        return () => clearTimeout(timer);
      },
    },
    drain: (fn) => setImmediate(fn),
    random: seededRandom(seed),
    logger: { log: (level, message, fields) => lines.push({ level, message, fields }) },
    lines,
  };
}
