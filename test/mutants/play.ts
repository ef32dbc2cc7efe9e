/** A small world: processes that are kept up, and what somebody does to them, half of it with faults. */
import type { Engine } from "../../src/engine/api.ts";
import type { Failure } from "../../src/testing/checker.ts";
import { type BootOptions, Simulation, type SimulationOptions } from "../../src/testing/simulation.ts";

/** Ten times what the longest seeds take. */
export const TASKS_MAX = 200_000;

/** Something that somebody does at a time, again and again until it succeeds. */
export interface Deed {
  readonly atMs: number;
  readonly do: (engine: Engine) => Promise<unknown>;
}

export interface Play {
  readonly processes: number;
  readonly options?: Omit<SimulationOptions, "seed">;
  /** How the processes are booted: all alike, or in turn as in a list. */
  readonly setup: (sim: Simulation) => BootOptions | readonly BootOptions[];
  readonly deeds: (sim: Simulation) => readonly Deed[];
  /** Half of it with faults. */
  readonly lastsMs: number;
  readonly judge?: (sim: Simulation) => void;
}

export async function perform(name: string, play: Play): Promise<readonly Failure[]> {
  const sim = new Simulation({ seed: name, tasksMax: TASKS_MAX, ...play.options });
  const setups = [play.setup(sim)].flat();
  for (let i = 0; i < play.processes; i++) keepUp(sim, setups[i % setups.length] as BootOptions);
  for (const deed of play.deeds(sim)) sim.agenda.after(deed.atMs, () => insist(sim, deed));
  await sim.run(play.lastsMs / 2);
  sim.faults.stop();
  await sim.run(play.lastsMs / 2);
  await sim.checker.finish();
  if (!sim.checker.hasFailed) play.judge?.(sim);
  return sim.checker.failures;
}

function keepUp(sim: Simulation, setup: BootOptions): void {
  const { proc } = sim.boot(setup);
  const look = () => {
    if (proc.isDead) keepUp(sim, setup);
    else sim.agenda.after(1_000, look);
  };
  sim.agenda.after(1_000, look);
}

function insist(sim: Simulation, deed: Deed): void {
  let isDone = false;
  const attempt = () => {
    if (isDone) return;
    const engines = sim.alive.flatMap(({ engine }) => (engine === null ? [] : [engine]));
    sim.agenda.after(engines.length === 0 ? 500 : 15_000, attempt);
    if (engines.length === 0) return;
    deed.do(sim.prng.stream(`deed ${sim.agenda.count}`).pick(engines)).then(
      () => {
        isDone = true;
      },
      () => {},
    );
  };
  attempt();
}
