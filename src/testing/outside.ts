/**
 * What comes to a simulation from outside: somebody starts a run, somebody publishes messages. Each asks until it is told
 * that it is durable.
 *
 * Owns: who asks, and when each message is published. Called by the life.
 */
import type { Tags } from "../kernel/events.ts";
import { Caller } from "./caller.ts";
import type { Simulation } from "./simulation.ts";

/** A message that somebody publishes. */
export interface Publication {
  readonly topic: string;
  readonly payload: unknown;
  /** Without one, a publisher who has no answer publishes another message. */
  readonly id: string | undefined;
  readonly tags: Tags | undefined;
  /** Milliseconds after the beginning; null: the seed says when. */
  readonly afterMs: number | null;
}

export interface OutsideParts {
  readonly workflow: string;
  /** Null: nobody starts a run. */
  readonly start: { readonly input: unknown } | null;
  readonly publications: readonly Publication[];
  /** Before it, each message has been published whose moment is the seed's. */
  readonly lastsMs: number;
  /** The engine refuses what somebody wants: no matter of the simulation. */
  readonly refused: (error: unknown) => void;
}

/** A start that is repeated makes no second run. */
const KEY = "the-run";

/** Within how long a seed has messages published: in some all come at once, in some one by one. */
const CROWDED_MS = [1_000, 30_000, Number.POSITIVE_INFINITY] as const;

export class Outside {
  /** When each message is published, milliseconds after the beginning. */
  readonly moments: readonly number[];
  readonly #simulation: Simulation;
  readonly #beganAt: number;
  readonly #starter: Caller | null;
  readonly #publishers: readonly Caller[];
  readonly #callers: readonly Caller[];

  constructor(simulation: Simulation, parts: OutsideParts) {
    this.#simulation = simulation;
    this.#beganAt = simulation.agenda.now;
    this.moments = momentsOf(simulation, parts);
    this.#starter = parts.start === null ? null : starter(simulation, parts, parts.start.input);
    this.#publishers = parts.publications.map((_, i) => publisher(simulation, parts, i));
    this.#callers = this.#starter === null ? this.#publishers : [this.#starter, ...this.#publishers];
  }

  begin(): void {
    const { agenda } = this.#simulation;
    this.#starter?.begin();
    this.#publishers.forEach((caller, i) => {
      agenda.after(this.moments[i] as number, () => caller.begin());
    });
  }

  /** Whether everybody was told that what they wanted is durable. */
  get isDone(): boolean {
    return this.#callers.every(({ isTold }) => isTold);
  }

  /** Whether somebody has no answer yet. */
  get isAsking(): boolean {
    return this.#callers.some(({ isAsking }) => isAsking);
  }

  /** When the next message is published; infinite: there is none. */
  get nextAt(): number {
    const { now } = this.#simulation.agenda;
    const instants = this.moments.map((ms) => this.#beganAt + ms);
    return Math.min(Number.POSITIVE_INFINITY, ...instants.filter((at) => at > now));
  }

  /** There is nobody to ask for a long time. */
  pause(): void {
    for (const caller of this.#callers) caller.pause();
  }

  resume(): void {
    for (const caller of this.#callers) caller.resume();
  }
}

function momentsOf({ prng }: Simulation, { publications, lastsMs }: OutsideParts): readonly number[] {
  const withinMs = Math.min(lastsMs, prng.stream("publish").pick(CROWDED_MS));
  return publications.map(
    ({ afterMs }, i) => afterMs ?? Math.floor(prng.stream(`publish/${i + 1}/at`).float() * withinMs),
  );
}

function starter(simulation: Simulation, { workflow, refused }: OutsideParts, input: unknown): Caller {
  return new Caller(simulation, {
    name: "start",
    ask: (engine) => engine.start(workflow, input, { idempotencyKey: KEY }),
    told: ({ id }) => simulation.checker.startAcknowledged(id),
    refused,
  });
}

function publisher(simulation: Simulation, { publications, refused }: OutsideParts, i: number): Caller {
  const { topic, payload, id, tags } = publications[i] as Publication;
  const options = { ...(id === undefined ? {} : { id }), ...(tags === undefined ? {} : { tags }) };
  return new Caller(simulation, {
    name: `publish/${i + 1}`,
    ask: (engine) => engine.publish(topic, payload, options),
    refused,
  });
}
