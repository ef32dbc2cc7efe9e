/**
 * What a child process does, on Node, on Deno and on Bun: starts the example's run, or finds it, and sees it through.
 *
 * Each body appends a line to the evidence file, one synchronous write, when it begins. The body that `hold` names never
 * ends, so that the process can be killed in it. What happens is told on stdout, one JSON object a line.
 */
import { appendFileSync } from "node:fs";
import type { Engine, Workflow } from "varve";
import { drainByImmediate } from "../../src/runtime/drain.ts";
import { drainTimes, microtasksBeforeDrain } from "./drain-probe.ts";
import { type ExampleEnv, INPUT, parcels } from "./example.ts";

export interface Setup {
  readonly db: string;
  readonly evidence: string;
  readonly hold?: string;
}

export type Told =
  | { readonly told: "drained"; readonly microtasks: number; readonly microsecondsEach: number }
  | { readonly told: "started"; readonly runId: string; readonly created: boolean }
  | { readonly told: "begun" | "completed"; readonly key: string }
  | { readonly told: "result"; readonly output: unknown; readonly history: readonly string[] };

type CreateEngine = (options: {
  readonly db: string;
  readonly workflows: readonly Workflow<never, unknown, ExampleEnv>[];
  readonly env: ExampleEnv;
}) => Promise<Engine>;

const DRAINS = 20_000;

export async function main(createEngine: CreateEngine, setup: Setup): Promise<void> {
  const tell = (line: Told) => console.log(JSON.stringify(line));
  const microtasks = await microtasksBeforeDrain(drainByImmediate);
  const startedAt = performance.now();
  await drainTimes(drainByImmediate, DRAINS);
  const microsecondsEach = ((performance.now() - startedAt) / DRAINS) * 1_000;
  tell({ told: "drained", microtasks, microsecondsEach });

  const begun: ExampleEnv["begun"] = async ({ key, attempt }) => {
    appendFileSync(setup.evidence, `${key} #${attempt}\n`);
    tell({ told: "begun", key });
    if (key === setup.hold) await new Promise(() => {});
  };
  const engine = await createEngine({ db: setup.db, workflows: [parcels], env: { begun } });
  engine.on("step.completed", ({ key }) => tell({ told: "completed", key: String(key) }));
  const run = await engine.start(parcels, INPUT, { idempotencyKey: "the-run" });
  tell({ told: "started", runId: run.id, created: run.created });
  const output = await run.result();
  const history = (await run.history()).map(({ type, key }) => (key === null ? type : `${type} ${key}`));
  tell({ told: "result", output, history });
  await engine.close();
}
