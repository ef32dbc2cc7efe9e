/**
 * A kill lane: worker processes on one log, killed again and again while runs are under way, until all runs have ended.
 *
 * A kill is aimed: its victim is told in which phase to stay, and at which time that it comes there. The counts come from
 * a seed, which is printed.
 */
import { createEngine } from "varve/node";
import { seededRandom } from "../support/ports.ts";
import type { Go, Phase, Setup } from "./child-main.ts";
import { Life } from "./life.ts";
import type { Place } from "./place.ts";

/** Where a kill is aimed; `anywhere`: at an instant that has nothing to do with what the process does. */
export type Aim = Phase | "anywhere";

export interface LaneOptions {
  readonly place: Place;
  readonly bundle: string;
  readonly setup: Omit<Setup, "path" | "evidence" | "acknowledged" | "isBlind" | "isFenced">;
  /** How many runs are started at least: more, if so many have ended that the kills to come would not count. */
  readonly runs: number;
  /** How many runs each process starts at most. */
  readonly startsEach: number;
  /** How many processes work at a time. */
  readonly processes: number;
  /** How many kills must land in each phase, with {@link UNDER_WAY_MIN} runs under way. */
  readonly kills: Readonly<Record<Aim, number>>;
  readonly seed: number;
}

export interface LaneResult {
  /** How many runs were started. */
  readonly runs: number;
  /** Kills that count, and the least number of runs that were under way at one. */
  readonly landed: Readonly<Record<Aim, number>>;
  readonly underWayMin: number;
  /** Kills that do not count: too few runs were under way. */
  readonly uncounted: number;
  /** Runs whose workers it has killed so often that they were parked, and that were resumed. */
  readonly poisoned: readonly string[];
  /** What was wrong with the database's file after a kill. */
  readonly damage: readonly string[];
  /** Starts that were acknowledged: the run's id by its number. */
  readonly acknowledged: ReadonlyMap<number, string>;
  /** How the processes ended that nobody killed. */
  readonly exits: readonly (number | string)[];
  readonly stderr: string;
}

/** A kill counts only with so many runs between their first and their last event. */
const UNDER_WAY_MIN = 20;

/** So many kills that do not count are aimed again: the first can come before there are runs enough. */
const UNCOUNTED_MAX = 10;

/** How often a process comes to a phase before it is killed there, at least and at most. */
const TIMES: Readonly<Record<Phase, readonly [number, number]>> = {
  body: [20, 40],
  flush: [4, 9],
  commit: [4, 9],
  replay: [1, 10],
};

const AIMS: readonly Aim[] = ["body", "flush", "commit", "replay", "anywhere"];

/** When a kill comes that is aimed nowhere, after its victim has opened the log, milliseconds. */
const ANYWHERE_MS = [20, 150] as const;

const LOOK_MS = 50;

export class Lane {
  readonly #options: LaneOptions;
  readonly #random: ReturnType<typeof seededRandom>;
  readonly #aims: Aim[];
  readonly #landed: Record<Aim, number> = { body: 0, flush: 0, commit: 0, replay: 0, anywhere: 0 };
  readonly #acknowledged = new Map<number, string>();
  readonly #lives: Life[] = [];
  #runs: number;
  #underWayMin = Number.POSITIVE_INFINITY;
  #uncounted = 0;
  readonly #poisoned = new Set<string>();
  readonly #damage: string[] = [];

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#runs = options.runs;
    this.#random = seededRandom(options.seed);
    this.#aims = this.#plan(options.kills);
  }

  /**
   * The aims in an order that is drawn, the last first. Between two kills in replay there is another: a run whose
   * process dies twice before it has recorded anything is a suspect, and runs alone.
   */
  #plan(kills: LaneOptions["kills"]): Aim[] {
    const others = this.#shuffled(
      AIMS.filter((aim) => aim !== "replay").flatMap((aim) => Array<Aim>(kills[aim]).fill(aim)),
    );
    const inReplay = this.#shuffled(others.map((_, i) => i)).slice(0, kills.replay);
    return others.flatMap((aim, i): Aim[] => (inReplay.includes(i) ? ["replay", aim] : [aim]));
  }

  async run(): Promise<LaneResult> {
    const slots = Array.from({ length: this.#options.processes }, () => this.#slot());
    const last = await Promise.all(slots);
    await this.#allEnded();
    return this.soFar(await Promise.all(last.map((life) => life.stop())));
  }

  /** What has been done up to now. */
  soFar(exits: LaneResult["exits"] = []): LaneResult {
    return {
      runs: this.#runs,
      landed: this.#landed,
      underWayMin: this.#underWayMin,
      uncounted: this.#uncounted,
      poisoned: [...this.#poisoned],
      damage: this.#damage,
      acknowledged: this.#acknowledged,
      exits,
      stderr: this.#stderr(),
    };
  }

  #stderr(): string {
    return this.#lives.map((life) => life.stderr).join("");
  }

  /** For a test that fails: no process is left. */
  async killAll(): Promise<void> {
    await Promise.all(this.#lives.map((life) => life.kill()));
  }

  /** One process after the other, each killed, until no kill is left to be made. Returns one that is not killed. */
  async #slot(): Promise<Life> {
    let next = this.#boot();
    for (;;) {
      const life = next;
      const aim = this.#aims.pop();
      if (aim === undefined) {
        life.go(await this.#order(null));
        return life;
      }
      // The next one boots meanwhile, and opens nothing before it is told to go.
      next = this.#boot();
      const order = await this.#order(aim);
      life.go(order);
      await this.#arrival(life, aim, order);
      await life.kill();
      await this.#examine(aim);
      await this.#count(aim);
    }
  }

  #boot(): Life {
    const { bundle, setup, place } = this.#options;
    const { path, evidence, acknowledged } = place;
    const whole: Setup = { ...setup, path, evidence, acknowledged, isBlind: false, isFenced: true };
    const life = new Life(bundle, whole, (n, runId) => {
      const known = this.#acknowledged.get(n);
      if (known !== undefined && known !== runId) throw new Error(`start ${n} made run ${known} and run ${runId}`);
      this.#acknowledged.set(n, runId);
    });
    this.#lives.push(life);
    return life;
  }

  async #order(aim: Aim | null): Promise<Go> {
    const { startsEach, place } = this.#options;
    let missing = this.#missing();
    // On a slow machine more runs end between two kills.
    const isScarce = aim !== null && missing.length < 2 * UNDER_WAY_MIN;
    if (isScarce && missing.length + (await place.underWay()) < 2 * UNDER_WAY_MIN) {
      this.#runs += startsEach;
      missing = this.#missing();
    }
    const starts = aim === null ? missing : missing.slice(0, startsEach);
    const stay =
      aim === null || aim === "anywhere" ? null : { phase: aim, time: this.#between(...TIMES[aim]), runsMin: 1 };
    return { starts, stay, release: null };
  }

  /** The numbers of the starts that nobody has acknowledged. */
  #missing(): number[] {
    return Array.from({ length: this.#runs }, (_, n) => n).filter((n) => !this.#acknowledged.has(n));
  }

  /** Resolves when `life` is to be killed. */
  async #arrival(life: Life, aim: Aim, { starts }: Go): Promise<void> {
    if (aim === "anywhere") {
      await life.opened;
      await new Promise((resolve) => setTimeout(resolve, this.#between(...ANYWHERE_MS)));
      return;
    }
    let isHere = false;
    let isGone = false;
    const end = life.gone.then(() => {
      isGone = true;
    });
    const here = life.here.then(() => {
      isHere = true;
    });
    while (!isHere) {
      await Promise.race([here, end, new Promise((resolve) => setTimeout(resolve, LOOK_MS))]);
      if (isGone) throw new Error(`a process ended by itself:\n${life.stderr}`);
      // All that it was to start has ended: it will not come there, and the kill will not count.
      const hasStarted = starts.every((n) => this.#acknowledged.has(n));
      if (!isHere && hasStarted && (await this.#isIdle())) return;
    }
  }

  /** Whether all runs that there are have ended. */
  async #isIdle(): Promise<boolean> {
    return this.#acknowledged.size > 0 && (await this.#options.place.underWay()) === 0;
  }

  async #examine(aim: Aim): Promise<void> {
    const said = JSON.stringify(await this.#options.place.integrity());
    if (said !== '["ok"]') this.#damage.push(`after a kill in ${aim}: ${said}`);
  }

  async #count(aim: Aim): Promise<void> {
    const underWay = await this.#options.place.underWay();
    if (underWay < UNDER_WAY_MIN) {
      // It is aimed again, after all others.
      if (this.#uncounted++ < UNCOUNTED_MAX) this.#aims.unshift(aim);
      return;
    }
    this.#landed[aim]++;
    this.#underWayMin = Math.min(this.#underWayMin, underWay);
  }

  async #allEnded(): Promise<void> {
    while (this.#acknowledged.size < this.#runs || !(await this.#isIdle())) {
      for (const { id, isPoisoned, text } of await this.#options.place.stuck()) {
        // It was this lane that has killed its workers so often. Who owns a file does not look at what others write.
        const { db, file } = this.#options.setup;
        const isOwned = db.startsWith("file:") && file === "owned";
        if (!isPoisoned || isOwned) throw new Error(`stuck: ${text}\n${this.#stderr()}`);
        this.#poisoned.add(id);
        await this.#resume(id);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** As somebody does who has it tried again. */
  async #resume(runId: string): Promise<void> {
    const { db, file } = this.#options.setup;
    const engine = await createEngine({ db, file, workflows: [], worker: false });
    await engine.run(runId).resume();
    await engine.close();
  }

  #between(min: number, max: number): number {
    return min + Math.floor(this.#random.float() * (max - min + 1));
  }

  #shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, order: this.#random.float() }))
      .sort((a, b) => a.order - b.order)
      .map(({ item }) => item);
  }
}
