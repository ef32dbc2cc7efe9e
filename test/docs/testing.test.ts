/**
 * Holds `docs/TESTING.md` to the code. What it shows of outputs is written by
 * `VARVE_RECORD=1 npx vitest run test/docs/testing.test.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { transform } from "esbuild";
import { withEnv } from "varve";
import { type SimulationFailedError, simulate } from "varve/testing";
import { expect, it } from "vitest";
import { TROUBLES } from "../../src/testing/trouble.ts";
import { ROOT } from "../runtimes/bundle.ts";
import { fulfil, fulfilOnce, setup } from "../testing/shop.ts";

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

it("the example beside simulate runs", async () => {
  const source = readFileSync(`${ROOT}src/testing/simulate.ts`, "utf8");
  const [, example = ""] = /@example\n([\s\S]*?)\n \*\//.exec(source) ?? [];
  const { code } = await transform(example.replaceAll(/^ \* ?/gm, ""), { loader: "ts" });
  const run = new Function("withEnv", "simulate", "console", `return (async () => {${code}})()`);
  const shown: unknown[] = [];
  await run(withEnv, simulate, { log: (...values: unknown[]) => shown.push(...values) });
  expect(shown[0]).toEqual({ completed: 200, failed: 0, cancelled: 0 });
});
