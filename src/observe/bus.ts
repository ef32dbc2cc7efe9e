/**
 * The bus: what happens in this process, told to whoever listens. Best effort and after the fact: an event is emitted
 * once it is durable, so a listener never sees what a crash takes back. Readers that must miss nothing tail the log.
 */
import { EventEmitter } from "eventemitter3";
import type { EventOf, EventType, RunEvent } from "../kernel/events.ts";
import { toFailure } from "../kernel/failure.ts";
import type { Logger } from "../kernel/ports.ts";

/** What the engine says about itself, beside the events of runs. */
export interface EngineNotices {
  /** A run was parked because it cannot go on; fixed code, or a person, resumes it. */
  "run.stuck": { readonly runId: string; readonly code: string; readonly message: string };
  /** A run's history is long: see `limits.historyEventsMax`. */
  "history.long": { readonly runId: string; readonly events: number; readonly max: number };
  /** A worker has taken up its work. */
  "worker.started": { readonly worker: string };
  /** A worker's lease ended while it was away: its runs belong to others now. */
  "worker.lost": { readonly worker: string; readonly runs: number };
  "worker.stopped": { readonly worker: string; readonly handedBack: number };
  /** The database does not take writes; they are kept and repeated. */
  "store.failing": { readonly code: string; readonly message: string };
  "store.recovered": { readonly afterMs: number };
  /** Synchronous code held the thread. */
  "thread.blocked": { readonly ms: number; readonly where: string };
}

/** Everything that `engine.on` can listen to: each type of event, `event` for all of them, and the notices. */
export type BusEvents = { readonly [T in EventType]: EventOf<T> } & EngineNotices & { readonly event: RunEvent };

export type BusEventName = keyof BusEvents;

export type BusListener<N extends BusEventName> = (payload: BusEvents[N]) => void;

export class Bus {
  readonly #emitter = new EventEmitter();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Listens until the returned function is called. */
  on<N extends BusEventName>(name: N, listener: BusListener<N>): () => void {
    const safe = this.#safe(name, listener as (payload: unknown) => void);
    this.#emitter.on(name, safe);
    return () => {
      this.#emitter.off(name, safe);
    };
  }

  emit<N extends BusEventName>(name: N, payload: BusEvents[N]): void {
    this.#emitter.emit(name, payload);
  }

  /** Tells of events that have become durable. */
  publish(events: readonly RunEvent[]): void {
    for (const event of events) {
      this.#emitter.emit(event.type, event);
      this.#emitter.emit("event", event);
    }
  }

  /** A listener's exception is the listener's affair: it is logged, and the engine goes on. */
  #safe(name: string, listener: (payload: unknown) => void): (payload: unknown) => void {
    return (payload) => {
      try {
        listener(payload);
      } catch (error) {
        this.#logger.log("error", `a listener to "${name}" threw`, { error: toFailure(error) });
      }
    };
  }
}
