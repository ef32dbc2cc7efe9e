/** Whoever starts the run of a simulation: asks whatever process is up, until it is told that the run is durable. */
import type { Engine } from "../engine/api.ts";
import { isVarveError } from "../kernel/errors.ts";
import type { Simulation } from "./simulation.ts";

/** A start that is repeated makes no second run. */
const KEY = "the-run";

/** It asks again after so long without an answer, or without anybody to ask. */
const INSIST_MS = 5_000;
const NOBODY_MS = 10;

export class Starter {
  readonly #simulation: Simulation;
  readonly #workflow: string;
  #input: unknown;
  #isAcknowledged = false;
  #isPaused = false;
  #refusal: { readonly error: unknown } | null = null;

  constructor(simulation: Simulation, workflow: string) {
    this.#simulation = simulation;
    this.#workflow = workflow;
  }

  get isAcknowledged(): boolean {
    return this.#isAcknowledged;
  }

  /** What the engine refused the start with: no matter of the simulation. */
  get refusal(): { readonly error: unknown } | null {
    return this.#refusal;
  }

  begin(input: unknown): void {
    this.#input = input;
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
    if (this.#isAcknowledged || this.#isPaused || this.#refusal !== null) return;
    const { agenda, alive, checker, prng } = this.#simulation;
    const up = alive.filter(({ engine, proc }) => engine !== null && !proc.isPaused);
    agenda.after(up.length === 0 ? NOBODY_MS : INSIST_MS, () => this.#ask());
    if (up.length === 0) return;
    const { engine, proc } = prng.stream(`start/${agenda.count}`).pick(up);
    (engine as Engine).start(this.#workflow, this.#input, { idempotencyKey: KEY }).then(
      ({ id }) => {
        if (proc.isDead || this.#isAcknowledged) return;
        this.#isAcknowledged = true;
        checker.startAcknowledged(id);
      },
      (error: unknown) => {
        // A database that cannot now can later. Anything else is for whoever wrote the start.
        const isStore = isVarveError(error) && error.code.startsWith("STORE_");
        if (!isStore && !proc.isDead) this.#refusal = { error };
      },
    );
  }
}
