/** Somebody outside who wants something of an engine: asks whatever process is up, until it is told that it is durable. */
import type { Engine } from "../engine/api.ts";
import { isVarveError } from "../kernel/errors.ts";
import type { Simulation } from "./simulation.ts";

/** It asks again after so long without an answer, or without anybody to ask. */
const INSIST_MS = 5_000;
const NOBODY_MS = 10;

export interface CallerParts<Answer> {
  /** Names it among others: whom it asks is the seed's. */
  readonly name: string;
  /** It may be asked again though it was done: whether it is done twice then is the call's own matter. */
  readonly ask: (engine: Engine) => Promise<Answer>;
  /** It was acknowledged. */
  told?(answer: Answer): void;
  /** The engine refuses it, and will each time: no matter of the simulation. */
  refused(error: unknown): void;
}

export class Caller<Answer = unknown> {
  readonly #simulation: Simulation;
  readonly #parts: CallerParts<Answer>;
  #state: "before" | "asks" | "told" | "refused" = "before";
  #isPaused = false;

  constructor(simulation: Simulation, parts: CallerParts<Answer>) {
    this.#simulation = simulation;
    this.#parts = parts;
  }

  /** Whether it has begun, and has no answer. */
  get isAsking(): boolean {
    return this.#state === "asks";
  }

  get isTold(): boolean {
    return this.#state === "told";
  }

  begin(): void {
    this.#state = "asks";
    this.#ask();
  }

  /** There is nobody to ask for a long time. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#ask();
  }

  #ask(): void {
    if (!this.isAsking || this.#isPaused) return;
    const { agenda, alive, prng } = this.#simulation;
    const up = alive.filter(({ engine, proc }) => engine !== null && !proc.isPaused);
    agenda.after(up.length === 0 ? NOBODY_MS : INSIST_MS, () => this.#ask());
    if (up.length === 0) return;
    const { engine, proc } = prng.stream(`${this.#parts.name}/${agenda.count}`).pick(up);
    this.#parts.ask(engine as Engine).then(
      (answer) => {
        if (proc.isDead || this.isTold) return;
        this.#state = "told";
        this.#parts.told?.(answer);
      },
      (error: unknown) => {
        // A database that cannot now can later. Anything else is for whoever wrote the call.
        const isStore = isVarveError(error) && error.code.startsWith("STORE_");
        if (isStore || proc.isDead || this.isTold) return;
        this.#state = "refused";
        this.#parts.refused(error);
      },
    );
  }
}
