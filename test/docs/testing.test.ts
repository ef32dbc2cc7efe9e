/**
 * Holds `docs/TESTING.md` to the code. What it shows of outputs is written by
 * `VARVE_RECORD=1 npx vitest run test/docs/testing.test.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { transform } from "esbuild";
import { cel, schedule, withEnv, workflow } from "varve";
import * as kit from "varve/testing";
import { type SimulationFailedError, simulate } from "varve/testing";
import { expect, it } from "vitest";
import { TROUBLES } from "../../src/testing/trouble.ts";
import { ROOT } from "../runtimes/bundle.ts";
import { fakeShop, fulfil, fulfilOnce, setup } from "../testing/shop.ts";

const PATH = `${ROOT}docs/TESTING.md`;
const SEEDS = 200;

/** The text of the blocks that open so. */
function blocks(fence: string): string[] {
  const text = readFileSync(PATH, "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${fence}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    ([, block]) => block as string,
  );
}

function expectBlock(fence: string, found: string): void {
  if (process.env["VARVE_RECORD"] === "1") {
    const text = readFileSync(PATH, "utf8");
    const block = new RegExp(`(^\`\`\`${fence}\\n)[\\s\\S]*?(^\`\`\`$)`, "m");
    writeFileSync(
      PATH,
      text.replace(block, (_, open, close) => `${open}${found}\n${close}`),
    );
  }
  expect(blocks(fence)).toEqual([`${found}\n`]);
}

it("docs/TESTING.md shows code that is tested", () => {
  const shop = readFileSync(`${ROOT}test/testing/shop.ts`, "utf8");
  const shown = blocks("ts");
  expect(shown.length).toBeGreaterThan(3);
  for (const block of shown) expect(shop).toContain(block);
});

it("docs/TESTING.md shows how the example fails", async () => {
  const error = await simulate(fulfil, { seeds: SEEDS, setup }).then(
    () => null,
    (thrown: SimulationFailedError) => thrown,
  );
  expectBlock("text failed", error?.message ?? "it passed");
});

it("docs/TESTING.md shows what the right example is put to", async () => {
  const { looks: _, ...report } = await simulate(fulfilOnce, { seeds: SEEDS, setup });
  expectBlock("text report", inspect(report, { breakLength: 120 }));
});

it("docs/TESTING.md lists every fault", () => {
  const rows = readFileSync(PATH, "utf8").matchAll(/^\| `([a-z-]+)` \| (.*) \|$/gm);
  const listed = [...rows].filter(([, name]) => name?.includes("-") || Object.hasOwn(TROUBLES, name as string));
  expect(Object.fromEntries(listed.map(([, name, what]) => [name, what]))).toEqual(TROUBLES);
});

/** Runs TypeScript, with these names in its scope. */
async function execute(source: string, names: Readonly<Record<string, unknown>>): Promise<void> {
  const { code } = await transform(source, { loader: "ts" });
  const run = new Function(...Object.keys(names), `return (async () => {${code}})()`);
  await run(...Object.values(names));
}

/** The examples beside what a file exports that are more than a line. */
function examplesOf(path: string): string[] {
  const source = readFileSync(`${ROOT}src/testing/${path}`, "utf8");
  const found = [...source.matchAll(/@example\n([\s\S]*?)\n *\*\//g)];
  return found.map(([, example]) => (example as string).replaceAll(/^ *\* ?/gm, ""));
}

const names = { ...kit, cel, expect, schedule, withEnv, fakeShop, fulfil: fulfilOnce };

for (const [i, block] of blocks("ts test").entries()) {
  it(`docs/TESTING.md shows examples that run: ${i + 1}, ${block.split("\n")[0]}`, () => execute(block, names));
}

it("docs/TESTING.md shows how a replay fails, and what a snapshot is", async () => {
  const t = await kit.testEngine({ workflows: [fulfilOnce], env: fakeShop });
  const run = await t.start(fulfilOnce, { id: "o-1", cents: 4200 });
  await run.result();
  const history = await run.history();
  expectBlock("text snapshot", kit.snapshotOf(history));
  const renamed = workflow({ name: "fulfil" }, async (ctx) => ctx.step("charge-card", () => 1));
  const error = await kit.replayHistory(renamed, history).then(
    () => null,
    (thrown: Error) => thrown,
  );
  expectBlock("text diverged", error?.message.replace(run.id, "<run>") ?? "it passed");
});

it("the examples beside what varve/testing exports run", async () => {
  const examples = ["test-engine.ts", "mock.ts"].flatMap(examplesOf);
  expect(examples.length).toBeGreaterThanOrEqual(3);
  // What an example does not show: where the parcels come from.
  const testEngine = (options: object) => kit.testEngine({ workflows: [], env: fakeShop, ...options });
  for (const example of examples) {
    const t = await testEngine({ workflows: [fulfilOnce], steps: { charge: kit.hangs() } });
    await execute(`{\n${example}\n}`, { ...names, testEngine, t });
  }
});

it("the example beside simulate runs", async () => {
  const [example = ""] = examplesOf("simulate.ts");
  const shown: unknown[] = [];
  const log = (...values: unknown[]) => shown.push(...values);
  await execute(example, { withEnv, simulate, console: { log } });
  expect(shown[0]).toEqual({ completed: 200, failed: 0, cancelled: 0 });
});
