import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT } from "../runtimes/bundle.ts";

const SEEDS = 200;

const RUNTIMES = {
  Node: [process.execPath],
  Deno: [join(ROOT, "node_modules/.bin/deno"), "run", "--no-config"],
  Bun: [join(ROOT, "node_modules/.bin/bun")],
} as const;

let folder: string;
let bundle: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "varve-hashes-"));
  bundle = join(folder, "hashes.mjs");
  const entryPoints = ["test/sim/hashes-main.ts"];
  // With what it depends on: then it needs no permission to read anything.
  const { outputFiles } = await build({
    ...{ entryPoints, absWorkingDir: ROOT, bundle: true, write: false },
    ...{ format: "esm", platform: "node", target: "node20", logLevel: "silent" },
  });
  writeFileSync(bundle, outputFiles[0]?.contents ?? "");
});

afterAll(() => rmSync(folder, { recursive: true }));

async function hashesOn(runtime: keyof typeof RUNTIMES): Promise<string[]> {
  const [command, ...args] = RUNTIMES[runtime];
  const { stdout } = await promisify(execFile)(command, [...args, bundle, "0", String(SEEDS)], { cwd: folder });
  return stdout.trim().split("\n");
}

it(`${SEEDS} seeds have the same trace on Node, Deno and Bun`, async () => {
  const onNode = await hashesOn("Node");
  expect(onNode).toHaveLength(SEEDS);
  expect(new Set(onNode).size).toBe(SEEDS);
  expect(await hashesOn("Deno")).toEqual(onNode);
  expect(await hashesOn("Bun")).toEqual(onNode);
}, 120_000);
