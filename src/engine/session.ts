import type { Ports } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import type { Bus } from "../observe/bus.ts";
import { Turns } from "../worker/turns.ts";
import { Writer } from "../worker/writer.ts";

/**
 * A writer and the rounds that flush it. A process has one for all it does. In an isolate each request has its own,
 * because what one request waits for another must not.
 */
export interface Session {
  readonly turns: Turns;
  readonly writer: Writer;
}

export function openSession(store: LogStore, ports: Ports, bus: Bus): Session {
  const turns = new Turns(ports.drain, (quiet) => writer.afterRound(quiet));
  const writer = new Writer(store, ports, {
    schedule: () => turns.schedule(),
    failing: ({ code, message }) => {
      bus.emit("store.failing", { code, message });
      ports.logger.log("error", "the database does not take writes; they are kept and repeated", {
        code,
        reason: message,
      });
    },
    recovered: (afterMs) => {
      bus.emit("store.recovered", { afterMs });
      ports.logger.log("info", "the database takes writes again", { afterMs: Math.round(afterMs) });
    },
  });
  return { turns, writer };
}
