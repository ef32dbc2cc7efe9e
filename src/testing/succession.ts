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
import type { Engine } from "../engine/api.ts";
import type { PublishOptions } from "../engine/api-messages.ts";
import type { RunHandle, StartedRun, StartOptions } from "../engine/api-run.ts";
import { assert } from "../kernel/assert.ts";
import { ClosedError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";

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
const ASKING = new Set([
  ...["result", "status", "history", "why", "list", "lastPosition", "message", "messages", "locks"],
  ...["get", "refused", "firings", "next", "endpoints"],
]);

/** Parts of an engine that have calls of their own. */
const PARTS = ["deliveries", "schedules", "queues", "notifications", "keys", "resumes"] as const;

/** Calls that are answered at once, also by an engine whose process has died. */
const AT_ONCE = new Set(["run", "workflows", "health"]);

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
      const isRepeatable = ASKING.has(name) || isKeyed(name, args);
      const life = this.#life;
      if (life === null && !AT_ONCE.has(name)) return this.#answer(this.ask(again, isRepeatable));
      const answer = call(this.#last);
      if (life === null || !(answer instanceof Promise)) return this.#handedOut(answer);
      return this.#answer(this.#insist(life, answer, again, isRepeatable));
    };
  }

  async #answer(answer: Promise<unknown>): Promise<unknown> {
    return this.#handedOut(await this.#during(answer));
  }

  /** A run's handle belongs to a process: in its place goes one that outlives it. */
  #handedOut(value: unknown): unknown {
    if (isHandle(value)) return this.#handle(value);
    const run = (value as { readonly run?: unknown } | null | undefined)?.run;
    return isHandle(run) ? { ...(value as object), run: this.#handle(run) } : value;
  }

  #handle(handle: Partial<StartedRun<unknown>> & { readonly id: string }): RunHandle<never> {
    const { id, created } = handle;
    const parts = { id, ...(created === undefined ? {} : { created }), ...this.#ownRun(id) };
    return new Proxy(parts as RunHandle<never>, {
      get: (_, name) => {
        if (typeof name === "symbol" || Object.hasOwn(parts, name)) return Reflect.get(parts, name);
        return this.#follow(name, (engine) => engine.run(id));
      },
    });
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

  #parts(): Pick<Engine, "tail" | "on"> {
    const part = (of: (typeof PARTS)[number]) =>
      new Proxy(
        {},
        {
          get: (_, name) => (typeof name === "symbol" ? undefined : this.#follow(name, (engine) => engine[of])),
        },
      );
    return {
      ...Object.fromEntries(PARTS.map((of) => [of, part(of)])),
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

/** A start or a message that is safe to repeat. */
function isKeyed(name: string, [, , options]: readonly unknown[]): boolean {
  if (name === "publish") return (options as PublishOptions | undefined)?.id !== undefined;
  return name === "start" && (options as StartOptions | undefined)?.idempotencyKey !== undefined;
}

function isHandle(value: unknown): value is StartedRun<unknown> {
  if (typeof value !== "object" || value === null) return false;
  const { id, result } = value as { readonly id?: unknown; readonly result?: unknown };
  return typeof id === "string" && typeof result === "function";
}

function processDied(): ClosedError {
  return new ClosedError(
    "TEST_PROCESS_DIED",
    "the process died before it answered this call, so nobody knows whether it was done; " +
      "a start with an idempotencyKey, and a message with an id, is made again in the next process by itself",
  );
}
