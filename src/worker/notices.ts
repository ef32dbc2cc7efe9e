/** What a worker tells people: each on the bus and as a log line. */
import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/ports.ts";
import { POISONED } from "../log/port-claims.ts";
import type { Bus } from "../observe/bus.ts";

export class Notices {
  readonly #bus: Bus;
  readonly #logger: Logger;
  readonly #limits: Limits;

  constructor(bus: Bus, logger: Logger, limits: Limits) {
    this.#bus = bus;
    this.#logger = logger;
    this.#limits = limits;
  }

  stuck(runId: string, { code, message }: { readonly code: string; readonly message: string }): void {
    this.#bus.emit("run.stuck", { runId, code, message });
    this.#logger.log("error", "a run is stuck", { runId, code, reason: message });
  }

  poisoned(runIds: readonly string[]): void {
    const message = "its claims kept ending without a result: its code probably ends the process";
    for (const runId of runIds) this.stuck(runId, { code: POISONED, message });
  }

  long(runId: string, events: number): void {
    const max = this.#limits.historyEventsMax;
    this.#bus.emit("history.long", { runId, events, max });
    const message = `the history of a run has ${events} events; at ${max} the run fails`;
    this.#logger.log("warn", message, { runId, events, max });
  }

  blocked(where: string, ms: number): void {
    this.#bus.emit("thread.blocked", { ms, where });
    this.#logger.log("warn", `synchronous code held the thread for ${Math.round(ms)} ms`, {
      where,
      ms: Math.round(ms),
    });
  }

  lost(worker: string, runs: number): void {
    this.#bus.emit("worker.lost", { worker, runs });
    const message = "the worker's lease ended; its runs go on elsewhere, or here under another id";
    this.#logger.log("warn", message, { worker, runs });
  }

  /** A run that waits for more time than it is ever given would wait in silence. */
  budgetTooSmall(timeoutMs: number, budgetMs: number, where: string): void {
    const message = `the time-out of a step is ${timeoutMs} ms, and a tick of ${budgetMs} ms never begins it: tick with a larger budget, or shorten the time-out`;
    this.#logger.log("warn", message, { where, timeoutMs, budgetMs });
  }
}
