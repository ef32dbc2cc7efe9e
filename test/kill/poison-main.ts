/** A worker process with runs among its own that end it: it tells that it is alive until one does. */
import process from "node:process";
import { workflow } from "varve";
import { createEngine } from "varve/node";

/** How a run ends its process. */
export type Poison = "exit" | "memory" | "loop";

export interface PoisonSetup {
  readonly db: string;
  /** Runs to be started, one of each kind. A repeated start is the same run. */
  readonly poisons: readonly Poison[];
  /** How many innocent runs are started. */
  readonly innocents: number;
}

export type PoisonTold =
  | { readonly told: "alive" }
  /** Nothing is left that could go on. */
  | { readonly told: "idle" };

const BEAT_MS = 50;

const poison = workflow({ name: "poison" }, async (ctx, kind: Poison) => {
  // In the code itself: a body that ends its process is stopped by its attempts.
  end(kind);
  return await ctx.step("never", () => kind);
});

const innocent = workflow({ name: "innocent" }, async (ctx, n: number) => {
  let sum = n;
  for (let i = 0; i < 3; i++) {
    const wait = () => new Promise((resolve) => setTimeout(resolve, 10));
    sum += await ctx.step("add", () => wait().then(() => 1), {
      retry: { attempts: 100, backoff: "fixed", initial: "1ms" },
    });
  }
  return sum;
});

function end(kind: Poison): void {
  switch (kind) {
    case "exit":
      process.exit(7);
      break;
    case "memory": {
      const kept: unknown[] = [];
      for (;;) kept.push(new Array(10_000).fill(kept.length));
    }
    case "loop":
      for (;;);
  }
}

const { db, poisons, innocents } = JSON.parse(process.argv[2] ?? "{}") as PoisonSetup;
const tell = (line: PoisonTold) => console.log(JSON.stringify(line));
const engine = await createEngine({ db, workflows: [poison, innocent], worker: false });
// Before anything is claimed, or an early death would leave some unstarted.
for (const kind of poisons) await engine.start(poison, kind, { idempotencyKey: kind });
for (let n = 0; n < innocents; n++) await engine.start(innocent, n, { idempotencyKey: `n-${n}` });
tell({ told: "alive" });
await engine.work();

setInterval(async () => {
  tell({ told: "alive" });
  const { runs } = await engine.list({ status: ["pending", "running", "waiting"], limit: 1 });
  if (runs.length === 0) tell({ told: "idle" });
}, BEAT_MS);
