/** Runs the compiler over programs that are wrong, and reads what it tells their author. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

const INSTANCE = /CannotBeStored<"an object with methods, such as a class instance or a response; return its data/;
const FUNCTION = /CannotBeStored<"a function; return data, and do the work in a step">/;

/** One expression a line, and what the compiler must say of it. */
const refusals: readonly (readonly [what: string, code: string, message: RegExp])[] = [
  ["a function", 'ctx.step("x", () => () => 1)', FUNCTION],
  ["a class instance", 'ctx.step("x", () => new Order())', INSTANCE],
  ["a class instance, with options", 'ctx.step("x", () => new Order(), { once: true })', INSTANCE],
  ["a response", 'ctx.step("x", () => fetch("https://varve.example"))', INSTANCE],
  ["a stream", 'ctx.step("x", () => new ReadableStream<string>())', INSTANCE],
  ["a weak map", 'ctx.step("x", () => new WeakMap<object, string>())', INSTANCE],
  ["a regular expression", 'ctx.step("x", () => /x/)', INSTANCE],
  [
    "a map of functions",
    'ctx.step("x", () => new Map([["a", () => 1]]))',
    /ReadonlyMap<string, CannotBeStored<"a function/,
  ],
  [
    "a set of symbols",
    'ctx.step("x", () => new Set([Symbol("a")]))',
    /ReadonlySet<CannotBeStored<"a symbol; use a string">>/,
  ],
  ["a symbol", 'ctx.step("x", () => Symbol("a"))', /CannotBeStored<"a symbol; use a string">/],
  [
    "a promise in an object",
    'ctx.step("x", () => ({ later: fetch("x") }))',
    /later: CannotBeStored<"a promise; await it first">/,
  ],
  ["a function deep inside", 'ctx.step("x", () => ({ deep: [[() => 1]] }))', /deep: .*CannotBeStored<"a function/],
  ["one of several", 'ctx.step("x", () => (ctx.random() > 0.5 ? 1 : () => 1))', FUNCTION],
  ["a scope's class instance", 'ctx.scope("x", async () => new Order())', INSTANCE],
  ["a map's class instances", 'ctx.map("x", [1], async () => new Order())', INSTANCE],
  ["a map's functions", 'ctx.map("x", [1], async () => () => 1, { concurrency: 4 })', FUNCTION],
  ["a tolerant map's class instances", 'ctx.map("x", [1], async () => new Order(), { tolerate: 1 })', INSTANCE],
  ["a map over no list", 'ctx.map("x", new Set([1]), async () => 1)', /'Set<number>' is (missing|not assignable)/],
  [
    "a map's function that is not asynchronous",
    'ctx.map("x", [1], (n) => n)',
    /'number' is not assignable to type 'PromiseLike/,
  ],
  [
    "an option of a map that there is not",
    'ctx.map("x", [1], async () => 1, { concurency: 4 })',
    /'concurency' does not exist.*mean to write 'concurrency'/,
  ],
  [
    "a concurrency in words",
    'ctx.map("x", [1], async () => 1, { concurrency: "4" })',
    /'string' is not assignable to type 'number'/,
  ],
  [
    "a tolerance in words",
    'ctx.map("x", [1], async () => 1, { tolerate: "half" })',
    /'"half"' is not assignable to type 'Tolerance'/,
  ],
  [
    "a tolerance without its unit",
    'ctx.map("x", [1], async () => 1, { tolerate: "50" })',
    /'"50"' is not assignable to type 'Tolerance'/,
  ],
  [
    "a tolerance of another kind",
    'ctx.map("x", [1], async () => 1, { tolerate: true })',
    /'true' is not assignable to type 'Tolerance'/,
  ],
  [
    "a value of an item that may have failed",
    'ctx.map("x", [1], async () => 1, { tolerate: 1 }).then(([first]) => first!.value)',
    /'value' does not exist/,
  ],
  ["a workflow's class instance", 'workflow({ name: "x" }, async () => new Order())', INSTANCE],
  ["a workflow's function, with a schema", 'workflow({ name: "x", input: Text }, async () => () => 1)', FUNCTION],
  [
    "an output that its schema refuses",
    'workflow({ name: "x", output: Text }, async () => 5)',
    /'number' is not assignable to type 'string'/,
  ],
  [
    "an implementation that its schema refuses",
    "ship.implement(async () => 5)",
    /'number' is not assignable to type 'string'/,
  ],
  [
    "an input that its schema does not make",
    'workflow({ name: "x", input: Text }, async (_, n: number) => n)',
    /input: string/,
  ],
  [
    "a start with a wrong input",
    "engine.start(ship, 5)",
    /'number' is not assignable to parameter of type 'string'|'number' is not assignable to type 'string'/,
  ],
  [
    "a hook with a wrong input",
    'webhook({ name: "x", scheme, workflow: ship, input: () => 5 })',
    /'number' is not assignable to type 'string/,
  ],
  [
    "an option that there is not",
    'ctx.step("x", () => 1, { timeuot: "1s" })',
    /'timeuot' does not exist.*mean to write 'timeout'/,
  ],
  [
    "an option of another kind",
    'ctx.step("x", () => 1, { retry: { attempts: "many" } })',
    /"many".*number \| "unlimited"/,
  ],
  [
    "an environment in the workflow function",
    'shop.workflow({ name: "x" }, async (inner) => inner.env)',
    /'env' does not exist on type 'Ctx<\{ db: string; \},/,
  ],
  [
    "what an environment has not",
    'shop.workflow({ name: "x" }, async (inner) => inner.step("x", ({ env }) => env.redis))',
    /'redis' does not exist on type '\{ db: string; \}'/,
  ],
  [
    "a workflow without its environment",
    'createEngine({ db: "file:x", workflows: [needsDb], env: { other: 1 } })',
    /db/,
  ],
];

const HEAD = [
  'import { type Ctx, declareWorkflow, type Engine, type WebhookScheme, webhook, withEnv, workflow } from "varve";',
  'import { createEngine } from "varve/node";',
  'import { z } from "zod";',
  "declare const ctx: Ctx; declare const engine: Engine; declare const scheme: WebhookScheme;",
  'class Order { readonly id = "a"; total() { return 1; } }',
  'const Text = z.string(); const ship = declareWorkflow({ name: "ship", input: Text, output: Text });',
  'const shop = withEnv<{ db: string }>(); const needsDb = shop.workflow({ name: "db" }, async () => 1);',
  "export const all = [",
];

/** Expectations of `inference.test-d.ts`, each made wrong. */
const mutations: readonly (readonly [right: string, wrong: string])[] = [
  ['step("now", () => 5)).toEqualTypeOf<Promise<number>>', 'step("now", () => 5)).toEqualTypeOf<Promise<string>>'],
  ['step("unknown", (): unknown => 1)', 'step("unknown", (): any => 1)'],
  [
    "{ concurrency: 4 })).toEqualTypeOf<Promise<number[]>>",
    "{ concurrency: 4 })).toEqualTypeOf<Promise<Settled<number>[]>>",
  ],
  ["toEqualTypeOf<Promise<Settled<{ grams: number }>[]>>", "toEqualTypeOf<Promise<{ grams: number }[]>>"],
  ["expectTypeOf(step.env).toBeUnknown()", "expectTypeOf(step.env).toBeString()"],
  [
    "expectTypeOf(order).toEqualTypeOf<{ id: string; placedAt: Date }>",
    "expectTypeOf(order).toEqualTypeOf<{ id: string; placedAt: string }>",
  ],
  [
    "toEqualTypeOf<Promise<StartedRun<{ total: number; note: string }>>>",
    "toEqualTypeOf<Promise<StartedRun<{ total: number }>>>",
  ],
  [".not.toBeAny()", ".toBeAny()"],
];

let folder: string;
let found: ReadonlyMap<string, string>;

/** What the compiler says, by `file:line`, and by `file` for all of a file. */
async function compile(): Promise<Map<string, string>> {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const output = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      [tsc, "-p", folder, "--pretty", "false"],
      { cwd: root, maxBuffer: 2 ** 26 },
      (_, stdout) => resolve(stdout),
    );
  });
  const texts = new Map<string, string>();
  let place = "";
  for (const line of output.split("\n")) {
    const match = /^(.+)\((\d+),\d+\): error/.exec(line);
    if (match !== null) place = `${basename(match[1] as string)}:${match[2]}`;
    for (const key of [place, place.split(":")[0] as string]) texts.set(key, `${texts.get(key) ?? ""}${line}\n`);
  }
  return texts;
}

beforeAll(async () => {
  mkdirSync(join(root, ".tmp"), { recursive: true });
  folder = mkdtempSync(join(root, ".tmp/types-"));
  const config = {
    extends: "../../tsconfig.json",
    compilerOptions: { rootDir: "../.." },
    include: ["*.ts"],
    exclude: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  writeFileSync(join(folder, "refusals.ts"), [...HEAD, ...refusals.map(([, code]) => `${code},`), "];", ""].join("\n"));
  const inference = readFileSync(new URL("inference.test-d.ts", import.meta.url), "utf8");
  writeFileSync(join(folder, "right.ts"), inference);
  for (const [i, [right, wrong]] of mutations.entries()) {
    expect(inference, `the expectation ${right}`).toContain(right);
    writeFileSync(
      join(folder, `wrong-${i}.ts`),
      inference.replace(right, () => wrong),
    );
  }
  found = await compile();
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the compiler refuses, and says why", () => {
  for (const [i, [what, , message]] of refusals.entries()) {
    it(what, () => {
      expect(found.get(`refusals.ts:${HEAD.length + i + 1}`)).toMatch(message);
    });
  }

  it("nothing else of these programs", () => {
    const lines = [...found.keys()]
      .filter((place) => place.startsWith("refusals.ts:"))
      .map((place) => place.split(":")[1]);
    expect(lines.map(Number).sort((a, b) => a - b)).toEqual(refusals.map((_, i) => HEAD.length + i + 1));
  });
});

describe("the expectations of types", () => {
  it("hold", () => {
    expect(found.get("right.ts")).toBeUndefined();
  });

  for (const [i, [right]] of mutations.entries()) {
    it(`fail when one of them is wrong: ${right}`, () => {
      expect(found.get(`wrong-${i}.ts`)).toMatch(/error TS/);
    });
  }
});
