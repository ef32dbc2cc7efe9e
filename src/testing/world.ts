/**
 * The world outside of the engine, as a user's fakes build it: virtual time and seeded randomness. And the step bodies
 * that live in it: who runs one, and whether it waits for something that can come.
 *
 * I1 A wait belongs to the process in whose name it is made: a dead process wakes from none. One that no process makes
 *    belongs to the world, and outlives all of them.
 * I2 While no wait is open, a body that has not ended waits for real time. Whose a wait of the world is nobody can tell; a
 *    body that waits by its own {@link BodyTime} is known to.
 */
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { ClosedError } from "../kernel/errors.ts";
import type { Prng } from "./prng.ts";
import { SimulatedProcess } from "./process.ts";
import type { Simulation } from "./simulation.ts";
import type { BodyMoment } from "./trouble.ts";
import type { WatchedBody } from "./watched.ts";

/** What a fake world is built with. Its time is virtual: it costs none. */
export interface SimulatedWorld {
  readonly seed: number;
  /** The true time, milliseconds since the epoch. Begins at 2026-01-01, or at the `start` of a `testEngine`. */
  now(): number;
  /** A float in [0, 1), the same for the same seed. */
  random(): number;
  /**
   * Waits. A process that dies meanwhile never comes back from it, as from a call over a network.
   *
   * @throws DefinitionError `DURATION_INVALID`; ClosedError `SIMULATION_OVER`
   * @example await sim.wait(20 + sim.random() * 200); // the network
   */
  wait(duration: Duration): Promise<void>;
  /** Waits for ever: for a fake that hangs. */
  hang(): Promise<never>;
}

export interface WorldHost {
  readonly simulation: Simulation;
  /** A process is at a moment of these bodies: something may hit it now. */
  readonly reached: (proc: SimulatedProcess, moment: BodyMoment, bodies: readonly WatchedBody[]) => void;
  readonly tell: (proc: SimulatedProcess, body: WatchedBody, what: string) => void;
}

/** How one body waits in virtual time, so that it is known whose wait it is. */
export interface BodyTime {
  wait(duration: Duration): Promise<void>;
  hang(): Promise<never>;
  /** From now on what it waits for otherwise may take real time. */
  real(): void;
  /** Calls `fn` when its process dies. */
  died(fn: () => void): void;
}

/** A body that waits for something that is not of this world. */
export interface StrandedBody extends WatchedBody {
  /** Whether it said that it may. */
  readonly isReal: boolean;
}

/** A body that runs in a process that lives. */
interface LiveBody extends StrandedBody {
  readonly proc: SimulatedProcess;
  readonly beganAt: number;
  isReal: boolean;
  /** Its own waits that are open. */
  waits: number;
  /** Who wants to know of its process's death. */
  readonly mourners: (() => void)[];
}

/** A body's time-out is seen so late at most: its process may stand still. */
const TIMEOUT_LATE_MS_MAX = 60_000;

export class World {
  readonly sim: SimulatedWorld;
  readonly #host: WorldHost;
  readonly #random: Prng;
  readonly #bodies = new Set<LiveBody>();
  /** How many waits are open, by whom. */
  readonly #waits = new Map<SimulatedProcess | null, number>();
  /** How many are for ever. */
  readonly #hanging = new Map<SimulatedProcess | null, number>();
  #isOver = false;
  /** When something in this world last went on. */
  #movedAt: number;

  constructor(host: WorldHost, seed: number) {
    this.#host = host;
    const { simulation } = host;
    this.#random = simulation.prng.stream("world");
    this.#movedAt = simulation.agenda.now;
    this.sim = {
      seed,
      now: () => simulation.agenda.now,
      random: () => this.#random.float(),
      wait: (duration) => this.#wait(duration),
      hang: () => this.#hang(),
    };
  }

  get movedAt(): number {
    return this.#movedAt;
  }

  /** Bodies that run and can not go on (I2). Ask between two tasks only. */
  get stranded(): readonly StrandedBody[] {
    if (isAny(this.#waits) || isAny(this.#hanging)) return [];
    return [...this.#bodies].filter(({ waits }) => waits === 0);
  }

  /** Whether something will happen by itself: a wait ends, or a body's time is over. */
  get isMoving(): boolean {
    if (isAny(this.#waits)) return true;
    const from = this.#host.simulation.agenda.now - TIMEOUT_LATE_MS_MAX;
    return [...this.#bodies].some(({ timeoutMs, beganAt }) => timeoutMs !== null && beganAt + timeoutMs > from);
  }

  /** The bodies that run, in words. */
  get running(): readonly string[] {
    return [...this.#bodies].map(({ proc, key, attempt }) => `"${key}" (attempt ${attempt}, in ${proc.name})`);
  }

  /** Runs a body in a process. */
  body(proc: SimulatedProcess, watchedBody: WatchedBody, run: (own: BodyTime) => unknown): unknown {
    if (proc.isDead) return never();
    const { key, attempt } = watchedBody;
    const name = `${key}, attempt ${attempt}`;
    const { simulation, reached, tell } = this.#host;
    const body: LiveBody = {
      ...watchedBody,
      proc,
      beganAt: simulation.agenda.now,
      isReal: false,
      waits: 0,
      mourners: [],
    };
    this.#bodies.add(body);
    this.#moved();
    reached(proc, "begin", [body]);
    if (proc.isDead) return never();
    const ended = simulation.checker.bodyStarts(proc, watchedBody);
    tell(proc, body, `${name}: the body begins`);
    return settled(() => run(this.#timeOf(body))).then((end) => {
      // Its process has died while it ran: nobody will ever know that it came this far.
      if (!this.#bodies.delete(body)) return never();
      ended();
      this.#moved();
      tell(proc, body, `${name}: the body ${end.kind === "value" ? "returns" : `throws ${String(end.error)}`}`);
      reached(proc, "end", [body]);
      if (proc.isDead) return never();
      if (end.kind === "error") throw end.error;
      return end.value;
    });
  }

  #timeOf(body: LiveBody): BodyTime {
    const { proc } = body;
    const begin = () => {
      this.#checkOpen();
      if (!proc.isDead) this.#host.reached(proc, "wait", [body]);
      body.waits++;
    };
    return {
      wait: (duration) => {
        const ms = parseDuration(duration);
        begin();
        return new Promise((resolve) => {
          proc.after(ms, () => {
            body.waits--;
            this.#moved();
            resolve();
          });
        });
      },
      hang: () => {
        begin();
        return never();
      },
      real: () => {
        body.isReal = true;
      },
      died: (fn) => body.mourners.push(fn),
    };
  }

  died(proc: SimulatedProcess): void {
    this.#waits.delete(proc);
    this.#hanging.delete(proc);
    const dead = [...this.#bodies].filter((body) => body.proc === proc);
    for (const body of dead) this.#bodies.delete(body);
    for (const fn of dead.flatMap(({ mourners }) => mourners)) fn();
  }

  /** From now on time stands still. */
  end(): void {
    this.#isOver = true;
  }

  #moved(): void {
    this.#movedAt = this.#host.simulation.agenda.now;
  }

  #wait(duration: Duration): Promise<void> {
    const ms = parseDuration(duration);
    this.#checkOpen();
    const { agenda } = this.#host.simulation;
    const proc = this.#actor();
    if (proc?.isDead === true) return never();
    this.#waits.set(proc, (this.#waits.get(proc) ?? 0) + 1);
    return new Promise((resolve) => {
      const wake = () => {
        this.#waits.set(proc, (this.#waits.get(proc) ?? 1) - 1);
        this.#moved();
        resolve();
      };
      if (proc === null) agenda.after(ms, wake);
      else proc.after(ms, wake);
    });
  }

  #hang(): Promise<never> {
    this.#checkOpen();
    const proc = this.#actor();
    if (proc?.isDead !== true) this.#hanging.set(proc, (this.#hanging.get(proc) ?? 0) + 1);
    return never();
  }

  /** In whose name the world is asked to wait (I1). It may be hit now. */
  #actor(): SimulatedProcess | null {
    const { actor } = this.#host.simulation.agenda;
    if (!(actor instanceof SimulatedProcess)) return null;
    const bodies = [...this.#bodies].filter((body) => body.proc === actor);
    if (bodies.length > 0 && !actor.isDead) this.#host.reached(actor, "wait", bodies);
    return actor;
  }

  #checkOpen(): void {
    if (!this.#isOver) return;
    throw new ClosedError(
      "SIMULATION_OVER",
      "expected a wait in virtual time while that goes on, but found it after the end of the simulation",
    );
  }
}

function isAny(counts: ReadonlyMap<unknown, number>): boolean {
  for (const count of counts.values()) if (count > 0) return true;
  return false;
}

/** A promise of its own each time: one for all would remember everybody who waits for it. */
function never(): Promise<never> {
  return new Promise(() => {});
}

type Settled =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "error"; readonly error: unknown };

/** What a body comes to, whether it is asynchronous or not. */
async function settled(run: () => unknown): Promise<Settled> {
  try {
    return { kind: "value", value: await run() };
  } catch (error) {
    return { kind: "error", error };
  }
}
