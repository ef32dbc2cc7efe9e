import { type Engine, workflow } from "varve";
import { createEngine } from "varve/node";
import { databaseFile } from "./setup.ts";

export async function reference(steps: number): Promise<number> {
  const memo = new Map(Array.from({ length: steps }, (_, i) => [`step-${i}`, { run: 0, value: i }]));
  const step = (key: string) =>
    new Promise<{ value: number }>((resolve) => {
      const value = memo.get(key)!;
      setImmediate(() => resolve(value));
    });
  const t = performance.now();
  let sum = 0;
  for (let i = 0; i < steps; i++) sum += (await step(`step-${i}`)).value;
  if (sum < 0) throw new Error();
  return performance.now() - t;
}

const cpu: number[] = [];
let held: () => void = () => {};
const hold = ({ signal }: { signal: AbortSignal }) => {
  held();
  return new Promise<null>((resolve) => signal.addEventListener("abort", () => resolve(null)));
};
const plain = workflow({ name: "plain" }, async (ctx, input: { steps: number }) => {
  let sum = 0;
  for (let i = 0; i < input.steps; i++) sum += (await ctx.step(`step-${i}`, () => ({ run: 0, value: i }))).value;
  await ctx.step("hold", hold, { retry: { attempts: "unlimited" } });
  return sum;
});
const scoped = workflow({ name: "scoped" }, async (ctx, input: { scopes: number; steps: number }) => {
  let sum = 0;
  for (let s = 0; s < input.scopes; s++) {
    const { value } = await ctx.scope(`scope-${s}`, async (inner) => {
      let sum = 0;
      for (let i = 0; i < input.steps; i++) sum += (await inner.step(`step-${i}`, () => ({ run: 0, value: i }))).value;
      return { run: 0, value: sum };
    });
    sum += value;
  }
  await ctx.step("hold", hold, { retry: { attempts: "unlimited" } });
  return sum;
});

async function resume(engine: Engine): Promise<number> {
  const t = performance.now();
  const c = process.cpuUsage();
  const started = new Promise<number>((r) => {
    held = () => {
      const u = process.cpuUsage(c);
      cpu.push((u.user + u.system) / 1000);
      r(performance.now() - t);
    };
  });
  const w = await engine.work();
  const ms = await started;
  await w.stop({ deadline: 0 });
  return ms;
}
const only = process.env.ONLY;
async function shape(name: string, start: (e: Engine) => Promise<unknown>, n: number) {
  if (only && only !== name) return;
  const engine = await createEngine({ db: `file:${databaseFile(process.env.DIR ?? "/tmp/proto/db", name)}`, workflows: [plain, scoped] as never, worker: false, limits: { historyEventsMax: 200_000, historyEventsWarn: 200_000 } });
  let first = 0;
  const there = (await engine.list({ limit: 1 })).runs.length;
  if (!there) {
    await start(engine);
    const t = performance.now();
    await resume(engine);
    first = performance.now() - t;
  }
  const all: number[] = [];
  for (let i = 0; i < n; i++) all.push(await resume(engine));
  const cpus = cpu.splice(0).slice(-n).sort((a, b) => a - b);
  const [run] = (await engine.list({ limit: 1 })).runs;
  const sorted = [...all].sort((a, b) => a - b);
  console.log(name, "fill", first.toFixed(0), "median", sorted[n >> 1]!.toFixed(2), "min", sorted[0]!.toFixed(2), "CPU", cpus[n >> 1]!.toFixed(2), cpus[0]!.toFixed(2), "events", (await engine.history(run!.id)).length, all.map((x) => x.toFixed(1)).join(" "));
  await engine.close();
}
for (let i = 0; i < 5; i++) console.log("reference", (await reference(25_000)).toFixed(1));
const N = Number(process.env.N ?? 9);
await shape("plain-0", (e) => e.start(plain, { steps: 0 }), N);
await shape("plain-250", (e) => e.start(plain, { steps: 250 }), N);
await shape("scoped-250", (e) => e.start(scoped, { scopes: 250, steps: 99 }), N);
await shape("plain-500", (e) => e.start(plain, { steps: 500 }), N);
await shape("plain-5000", (e) => e.start(plain, { steps: 5000 }), N);
await shape("plain-25000", (e) => e.start(plain, { steps: 25000 }), N);
await shape("plain-0", (e) => e.start(plain, { steps: 0 }), N);
await shape("plain-250", (e) => e.start(plain, { steps: 250 }), N);
for (let i = 0; i < 5; i++) console.log("reference", (await reference(25_000)).toFixed(1));
