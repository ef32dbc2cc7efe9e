/**
 * An engine that outlives its processes: each call goes to the process that lives. So a test goes on with what it holds when
 * a process dies and another takes over.
 *
 * Owns: which process lives. Called by the test engine. What it does not know of an engine, or of a run's handle, it hands on
 * as it is.
 *
 * I1 A call that a dying process has not answered is made again in the next one if it only asks; else it is refused, because
 *    nobody can know what became of it.
 * I2 Listeners are heard in every process.
 */
import type { DeliveryOutcome, Engine, RunHandle, StartedRun, StartOptions } from "../engine/api.ts";
import { assert } from "../kernel/assert.ts";
import { ClosedError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import type { WorkflowRef } from "../kernel/workflow-ref.ts";

/** A process whose engine is up. */
interface Life {
  readonly engine: Engine;
  /** Resolves with its death. */
  readonly died: Promise<null>;
}

type Call = (...args: readonly unknown[]) => unknown;
type TailOptions = NonNullable<Parameters<Engine["tail"]>[0]>;

/** What the test engine does itself of what a run's handle can. */
export type OwnRun = (id: string) => Partial<RunHandle<never>>;

/** Calls that change nothing. */
const ASKING = new Set(["result", "status", "history", "list", "lastPosition"]);

/** Calls that are answered at once, also by an engine whose process has died. */
const AT_ONCE = new Set(["workflows", "health"]);

export class Succession {
  readonly #during: <T>(answer: Promise<T>) => Promise<T>;
  readonly #ownRun: OwnRun;
  readonly #listeners = new Set<(engine: Engine) => void>();
  /** Null while none is up. */
  #life: Life | null = null;
  /** The last engine that was up. */
  #engine: Engine | null = null;
  #waiting: { readonly go: (life: Life) => void; readonly fail: (error: unknown) => void }[] = [];
  #died: (() => void) | null = null;

  /** @param during lets what follows from a call happen, and gives its answer */
  constructor(during: <T>(answer: Promise<T>) => Promise<T>, ownRun: OwnRun) {
    this.#during = during;
    this.#ownRun = ownRun;
  }

  // ---- Processes ----

  begins(engine: Engine): void {
    const died = new Promise<null>((resolve) => {
      this.#died = () => resolve(null);
    });
    const life = { engine, died };
    this.#engine = engine;
    this.#life = life;
    for (const listen of this.#listeners) listen(engine);
    for (const { go } of this.#waiting.splice(0)) go(life);
  }

  /** No process comes up. */
  fails(error: unknown): void {
    for (const { fail } of this.#waiting.splice(0)) fail(error);
  }

  dies(): void {
    this.#life = null;
    this.#died?.();
  }

  get #last(): Engine {
    assert(this.#engine !== null, "a test engine is handed out when its first process is up");
    return this.#engine;
  }

  #living(): Promise<Life> {
    return new Promise((go, fail) => {
      this.#waiting.push({ go, fail });
    });
  }

  // ---- Calls ----

  /** Asks the process that lives, at once if one is up. */
  async ask<T>(call: (engine: Engine) => Promise<T>, isRepeatable: boolean): Promise<T> {
    const life = this.#life ?? (await this.#living());
    return await this.#insist(life, call(life.engine), call, isRepeatable);
  }

  /** The answer of the process that was asked, or of the next that may be. */
  async #insist<T>(
    life: Life,
    answer: Promise<T>,
    call: (engine: Engine) => Promise<T>,
    isRepeatable: boolean,
  ): Promise<T> {
    const answered = await Promise.race([answer.then((value) => ({ value })), life.died]);
    if (answered !== null) return answered.value;
    if (!isRepeatable) throw processDied();
    return await this.ask(call, true);
  }

  /** What `target` has of this name, for the process that lives. */
  #follow(name: string, target: (engine: Engine) => object): unknown {
    const value: unknown = Reflect.get(target(this.#last), name);
    if (typeof value !== "function") return value;
    return (...args: readonly unknown[]) => {
      const call = (engine: Engine) => (Reflect.get(target(engine), name) as Call).apply(target(engine), [...args]);
      const again = async (engine: Engine) => await call(engine);
      const life = this.#life;
      if (life === null && !AT_ONCE.has(name)) return this.#during(this.ask(again, ASKING.has(name)));
      const answer = call(this.#last);
      if (life === null || !(answer instanceof Promise)) return answer;
      return this.#during(this.#insist(life, answer, again, ASKING.has(name)));
    };
  }

  /** The engine, as it is handed out. `own`: what is done otherwise. */
  engine<Own extends object>(own: Own): Engine & Own {
    const parts: object = Object.defineProperties(this.#parts(), Object.getOwnPropertyDescriptors(own));
    return new Proxy(parts as Engine & Own, {
      get: (_, name) => {
        if (typeof name === "symbol" || Object.hasOwn(parts, name)) return Reflect.get(parts, name);
        return this.#follow(name, (engine) => engine);
      },
    });
  }

  #parts(): Partial<Engine> {
    return {
      start: async (
        workflow: WorkflowRef | string,
        input?: unknown,
        options?: StartOptions,
      ): Promise<StartedRun<never>> => {
        const start = (engine: Engine) => engine.start(workflow as string, input, options);
        const { id, created } = await this.#during(this.ask(start, options?.idempotencyKey !== undefined));
        return this.#handle({ id, created });
      },
      run: (workflow: WorkflowRef<never, unknown> | string, id?: string): RunHandle<never> => {
        const handle =
          id === undefined ? this.#last.run(workflow as string) : this.#last.run(workflow as WorkflowRef, id);
        return this.#handle({ id: handle.id });
      },
      deliver: async (hook, request) => {
        const outcome = await this.#during(this.ask((engine) => engine.deliver(hook, request), false));
        return this.#delivered(outcome);
      },
      tail: (options = {}) => this.#tail(options),
      on: (name, listener) => {
        let stop = () => {};
        const listen = (engine: Engine) => {
          stop = engine.on(name, listener);
        };
        this.#listeners.add(listen);
        listen(this.#last);
        return () => {
          this.#listeners.delete(listen);
          stop();
        };
      },
    };
  }

  #delivered(outcome: DeliveryOutcome): DeliveryOutcome {
    if (outcome.kind === "refused") return outcome;
    const { id, created } = outcome.run;
    return { ...outcome, run: this.#handle({ id, created }) };
  }

  /** A run's handle. Asks nothing. */
  #handle(facts: { readonly id: string; readonly created?: boolean }): StartedRun<never> {
    const parts = { ...facts, ...this.#ownRun(facts.id) };
    return new Proxy(parts as StartedRun<never>, {
      get: (_, name) => {
        if (typeof name === "symbol" || Object.hasOwn(parts, name)) return Reflect.get(parts, name);
        return this.#follow(name, (engine) => engine.run(facts.id));
      },
    });
  }

  async *#tail(options: TailOptions): AsyncIterable<RunEvent> {
    let { after = 0 } = options;
    for (;;) {
      const { engine, died } = this.#life ?? (await this.#living());
      const events = engine.tail({ ...options, after })[Symbol.asyncIterator]();
      try {
        for (let next = await Promise.race([events.next(), died]); next !== null; ) {
          if (next.done === true) return;
          after = next.value.position;
          yield next.value;
          next = await Promise.race([events.next(), died]);
        }
      } finally {
        void events.return?.();
      }
    }
  }
}

function processDied(): ClosedError {
  return new ClosedError(
    "TEST_PROCESS_DIED",
    "the process died before it answered this call, so nobody knows whether it was done; " +
      "a start with an idempotencyKey is made again in the next process by itself",
  );
}
