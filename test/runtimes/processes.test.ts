import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleForNode, ROOT } from "./bundle.ts";
import { type Child, startChild } from "./child.ts";
import { OUTPUT } from "./example.ts";
import type { Setup, Told } from "./process-main.ts";

/** In the package's folder, so that the bundle for Node finds what it imports. */
const CACHE = join(ROOT, "node_modules/.cache");

let folder: string;

beforeAll(async () => {
  mkdirSync(CACHE, { recursive: true });
  folder = mkdtempSync(join(CACHE, "varve-runtimes-"));
  // Node 20 strips no types; Deno and Bun load the sources themselves.
  writeFileSync(join(folder, "on-node.mjs"), (await bundleForNode("test/runtimes/on-node.ts")).code);
});

afterAll(() => rmSync(folder, { recursive: true }));

/** What a file database needs under Deno, and nothing more. */
const DENO_PERMISSIONS = ["--allow-read", "--allow-write", "--allow-ffi", "--allow-env", "--allow-sys"];

const RUNTIMES = {
  Node: (setup: string) => startChild<Told>(process.execPath, [join(folder, "on-node.mjs"), setup]),
  Deno: (setup: string) =>
    startChild<Told>("node_modules/.bin/deno", ["run", ...DENO_PERMISSIONS, "test/runtimes/on-deno.ts", setup]),
  Bun: (setup: string) => startChild<Told>("node_modules/.bin/bun", ["test/runtimes/on-bun.ts", setup]),
};

type Runtime = keyof typeof RUNTIMES;

/** One database and the processes that work on it, one after the other. */
class Place {
  readonly #db: string;
  readonly #evidence: string;

  constructor(name: string) {
    this.#db = `file:${join(folder, `${name}.db`)}`;
    this.#evidence = join(folder, `${name}.txt`);
    writeFileSync(this.#evidence, "");
  }

  start(runtime: Runtime, hold?: string): Child<Told> {
    const setup: Setup = { db: this.#db, evidence: this.#evidence, ...(hold === undefined ? {} : { hold }) };
    return RUNTIMES[runtime](JSON.stringify(setup));
  }

  /** The bodies that began, in any process: `key #attempt`. */
  get begun(): string[] {
    return readFileSync(this.#evidence, "utf8").trimEnd().split("\n");
  }
}

const begun = (key: string) => (line: Told) => line.told === "begun" && line.key === key;
const completed = (key: string) => (line: Told) => line.told === "completed" && line.key === key;
const isResult = (line: Told) => line.told === "result";
const isDrained = (line: Told) => line.told === "drained";
const isStarted = (line: Told) => line.told === "started";

/** Runs the example in three processes: the first two are killed in a body, the third ends by itself. */
async function inThreeLives(place: Place, [first, second, third]: readonly [Runtime, Runtime, Runtime]) {
  const one = place.start(first, "label-2");
  await Promise.all([begun("label-2"), completed("label-1"), completed("label-3")].map((fits) => one.told(fits)));
  await one.kill();
  const two = place.start(second, "price/tax");
  await Promise.all([begun("price/tax"), completed("price/net")].map((fits) => two.told(fits)));
  await two.kill();
  const three = place.start(third);
  const result = await three.told(isResult);
  const exitCode = await three.exited;
  return { lives: [one, two, three] as const, result, exitCode };
}

const ONCE = ["load #1", "label-1 #1", "label-3 #1", "price/net #1"];
const REPEATED = ["charge #1", "charge #2", "label-2 #1", "label-2 #2", "price/tax #1", "price/tax #2"];

describe.each(Object.keys(RUNTIMES) as Runtime[])("on %s", (runtime) => {
  it("a run goes on after SIGKILL where its log ends, and no recorded step runs again", async () => {
    const place = new Place(runtime);
    const { lives, result, exitCode } = await inThreeLives(place, [runtime, runtime, runtime]);
    expect(result).toMatchObject({ output: OUTPUT });
    expect(place.begun.sort()).toEqual([...ONCE, ...REPEATED].sort());
    const [one, two, three] = await Promise.all(lives.map((life) => life.told(isStarted)));
    expect([one, two, three]).toMatchObject([{ created: true }, { created: false }, { created: false }]);
    // The engine lets the process go when it is closed.
    expect({ exitCode, stderr: lives[2].stderr }).toEqual({ exitCode: 0, stderr: "" });

    const drained = await lives[2].told(isDrained);
    expect(drained).toMatchObject({ microtasks: 1_000 });
    console.log(
      `${runtime}: a drain takes ${(drained as { microsecondsEach: number }).microsecondsEach.toFixed(1)} us`,
    );
  });
});

it("a run that Deno began and Bun went on with ends on Node: the log is the same on all three", async () => {
  const place = new Place("all");
  const { result } = await inThreeLives(place, ["Deno", "Bun", "Node"]);
  expect(result).toMatchObject({ output: OUTPUT });
  expect(place.begun.sort()).toEqual([...ONCE, ...REPEATED].sort());
});
