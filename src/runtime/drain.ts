/**
 * How each runtime gets past every queued microtask (rule R6). Never `MessageChannel`: on workerd its message comes before
 * 50 chained microtasks. Never `setTimeout(0)` in a process: it costs 1 to 2 ms a round there.
 */
import type { Drain } from "../kernel/ports.ts";

/** For Node, Deno and Bun. */
export const drainByImmediate: Drain = (fn) => void setImmediate(fn);

/** For isolates: not all of them have `setImmediate`, and their `setTimeout(0)` is quick. */
export const drainInIsolate: Drain = (fn) => {
  if (typeof setImmediate === "function") setImmediate(fn);
  else setTimeout(fn, 0);
};
