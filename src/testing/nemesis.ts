/**
 * Decides what goes wrong in one simulated run, and keeps the list of what did.
 *
 * I1 Each fault has an id that names its place. Whether it would happen depends on the seed and the id alone, so a run can
 *    be repeated with some of its faults and without the others.
 * I2 Faults end: there are so many of each kind at most, and none any more once an attempt is
 *    {@link ATTEMPT_CALM}. So a step with the default retry always gets through, and every run must end.
 */
import type { Fault, FaultKind, FaultRates } from "./faults.ts";
import { Prng } from "./prng.ts";
import {
  ALL_TROUBLES,
  type BodyMoment,
  bodyTroubleText,
  callTroubleText,
  clockText,
  type HappenedFault,
  pauseText,
  type SimulatedFault,
  TROUBLE_OF,
} from "./trouble.ts";

export interface NemesisOptions {
  readonly seed: string;
  /** What may go wrong at all. */
  readonly faults: readonly SimulatedFault[];
  /** Ids of the only faults that happen; null: those that the seed draws. */
  readonly only: ReadonlySet<string> | null;
  /** Is told each fault as it happens. */
  readonly happened: (fault: HappenedFault) => void;
}

/** What hits a process. */
export type Harm = { readonly kind: "crash" } | { readonly kind: "pause"; readonly ms: number };

/** A process that is hit at an instant, wherever it is. */
export interface PlannedHarm {
  readonly id: string;
  readonly afterMs: number;
  readonly harm: Harm;
  /** Which of the living processes, from 0 to below 1. */
  readonly victim: number;
}

/** From this attempt of a step on nothing more goes wrong: the fifth is the last by default. */
const ATTEMPT_CALM = 4;

/** How likely a process is hit at a moment of a body, if that kind of harm is in the seed. */
const BODY_RATES: Readonly<Record<"crash" | "pause", Readonly<Record<BodyMoment, number>>>> = {
  crash: { begin: 0.04, wait: 0.1, end: 0.25 },
  pause: { begin: 0.02, wait: 0.1, end: 0.1 },
};

/** What a seed makes of those: low ones leave harm for the last steps of a run, of which it has a bounded number. */
const BODY_RATE_SCALES = [0.15, 0.5, 1] as const;

const PLANNED_MAX = 3;
const PAUSES_MS = [500, 3_000, 20_000, 40_000] as const;
const SKEW_MS_MAX = 3_600_000;

/** Where a fault on the way to the log may kill a process: elsewhere a death at any time does the same. */
const DEADLY_SITES = new Set([
  ...["append", "load", "changeSchedule", "publishMessage", "dispatchMessage", "fireGathering"],
]);

/** Harm that is planned around a moment lies this close to it, in the mean. */
const AROUND_MS_MEAN = 1_000;

export class Nemesis {
  readonly happened: HappenedFault[] = [];
  /** How often each kind of fault on the way to the log happens: a probability a call. */
  readonly rates: FaultRates;
  readonly #options: NemesisOptions;
  readonly #kinds: ReadonlySet<SimulatedFault>;
  readonly #bodyScale: number;
  /** The most of each kind. */
  readonly #max: Readonly<Record<SimulatedFault, number>>;
  readonly #counts = new Map<SimulatedFault, number>();
  readonly #places = new Map<string, number>();
  #isCalm = false;

  constructor(options: NemesisOptions) {
    this.#options = options;
    const plan = new Prng(`${options.seed}/nemesis`);
    this.#kinds = drawnKinds(plan, options.faults);
    this.rates = callRates(plan, this.#kinds);
    this.#bodyScale = plan.pick(BODY_RATE_SCALES);
    const others = plan.pick([2, 5, 15]);
    const max = Object.fromEntries(ALL_TROUBLES.map((fault) => [fault, others])) as Record<SimulatedFault, number>;
    this.#max = { ...max, crash: plan.int(1, 3), pause: plan.int(1, 2) };
  }

  /** From now on nothing goes wrong. */
  calm(): void {
    this.#isCalm = true;
  }

  /** An attempt of a step was recorded as begun. */
  attemptBegan(attempt: number): void {
    if (attempt >= ATTEMPT_CALM) this.calm();
  }

  /** Whether a fault on the way to the log, which the seed has drawn, happens. */
  mayHappen({ id, kind }: Fault): boolean {
    const fault = TROUBLE_OF[kind];
    if (fault === "crash" && !DEADLY_SITES.has(id.split("/")[1] as string)) return false;
    return this.#take(id, fault, () => callTroubleText(id, kind));
  }

  /** What hits a process at a moment of the bodies that it runs. `steps`: their keys. */
  atBody(proc: string, moment: BodyMoment, steps: readonly string[]): Harm | null {
    const place = `${proc}/${moment} of ${steps.join(" and ")}`;
    const count = (this.#places.get(place) ?? 0) + 1;
    this.#places.set(place, count);
    for (const kind of ["crash", "pause"] as const) {
      const id = `${place}/${count}/${kind}`;
      const draw = this.#prng(id);
      if (!this.#kinds.has(kind) || !draw.chance(BODY_RATES[kind][moment] * this.#bodyScale)) continue;
      const harm: Harm = kind === "crash" ? { kind } : { kind, ms: draw.pick(PAUSES_MS) };
      if (this.#take(id, kind, () => bodyTroubleText(harmText(proc, harm), moment, steps))) return harm;
    }
    return null;
  }

  /** What hits processes at an instant. `moments`: when something comes from outside, milliseconds: half of it comes around these. */
  planned(moments: readonly number[]): PlannedHarm[] {
    return (["crash", "pause"] as const)
      .filter((kind) => this.#kinds.has(kind))
      .flatMap((kind) => {
        const meanMs = this.#prng(`any/${kind}`).pick([300, 3_000, 30_000]);
        return Array.from({ length: PLANNED_MAX }, (_, i): PlannedHarm => {
          const id = `any/${kind}/${i + 1}`;
          const draw = this.#prng(id);
          const wait = -Math.log(1 - draw.float());
          const harm: Harm = kind === "crash" ? { kind } : { kind, ms: draw.pick(PAUSES_MS) };
          const victim = draw.float();
          const isAround = moments.length > 0 && draw.chance(0.5);
          const afterMs = isAround ? around(draw.pick(moments), wait, draw.chance(0.5)) : wait * meanMs;
          return { id, afterMs, harm, victim };
        });
      });
  }

  /** Whether planned harm hits `proc` now. */
  hits({ id, harm }: PlannedHarm, proc: string): boolean {
    return this.#take(id, harm.kind, () => harmText(proc, harm));
  }

  /** How far the clock of a new process is off, milliseconds. */
  clockOf(proc: string): number {
    const id = `${proc}/clock`;
    const draw = this.#prng(id);
    if (!this.#kinds.has("wrong-clock") || !draw.chance(0.5)) return 0;
    const skewMs = draw.int(-SKEW_MS_MAX, SKEW_MS_MAX);
    return this.#take(id, "wrong-clock", () => clockText(proc, skewMs)) ? skewMs : 0;
  }

  #prng(id: string): Prng {
    return new Prng(`${this.#options.seed}/harm/${id}`);
  }

  #take(id: string, fault: SimulatedFault, what: () => string): boolean {
    const { only, happened } = this.#options;
    const count = this.#counts.get(fault) ?? 0;
    if (this.#isCalm || count >= this.#max[fault] || only?.has(id) === false) return false;
    this.#counts.set(fault, count + 1);
    const each = { id, fault, what: what() };
    this.happened.push(each);
    happened(each);
    return true;
  }
}

function around(moment: number, wait: number, isBefore: boolean): number {
  return Math.max(0, moment + (isBefore ? -1 : 1) * wait * AROUND_MS_MEAN);
}

function harmText(proc: string, harm: Harm): string {
  return harm.kind === "crash" ? `${proc} dies` : pauseText(proc, harm.ms);
}

/** A swarm: about half of the kinds are left out of each seed, because faults hide each other. One is always there. */
function drawnKinds(plan: Prng, faults: readonly SimulatedFault[]): Set<SimulatedFault> {
  const drawn = new Set(faults.filter(() => plan.chance(0.5)));
  if (drawn.size === 0 && faults.length > 0) drawn.add(plan.pick(faults));
  return drawn;
}

function callRates(plan: Prng, kinds: ReadonlySet<SimulatedFault>): FaultRates {
  const drawn = (Object.keys(TROUBLE_OF) as FaultKind[]).filter((kind) => kinds.has(TROUBLE_OF[kind]));
  return Object.fromEntries(drawn.map((kind) => [kind, plan.pick([0.01, 0.03, 0.1]) / Math.max(1, drawn.length / 3)]));
}
