/** Ports over the globals that every runtime has. */
import type { Clock, Logger, LogLevel, Random } from "../kernel/ports.ts";

/** A platform timer for longer than this fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer: (ms, fn) => {
    const timer: unknown = setTimeout(fn, Math.min(Math.max(0, Math.ceil(ms)), TIMER_MS_MAX));
    // Node's and Bun's timers keep the process alive unless told otherwise; elsewhere a timer is a number.
    if (typeof timer === "object" && timer !== null && "unref" in timer) (timer as { unref(): void }).unref();
    return () => clearTimeout(timer as number);
  },
};

export const systemRandom: Random = {
  float: () => Math.random(),
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
};

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Log lines from `level` on, as one JSON object each. */
export function jsonLogger(level: LogLevel, write: (line: string) => void): Logger {
  const least = LEVELS.indexOf(level);
  return {
    log: (lineLevel, message, fields) => {
      if (LEVELS.indexOf(lineLevel) < least) return;
      write(JSON.stringify({ time: new Date().toISOString(), level: lineLevel, message, ...fields }));
    },
  };
}
