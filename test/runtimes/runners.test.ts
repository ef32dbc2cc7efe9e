/** The testing kit in the runners that the runtimes bring: it needs none of them. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT } from "./bundle.ts";
import { kitWorks } from "./kit.ts";

const bin = (name: string) => join(ROOT, "node_modules/.bin", name);

/** How each is called, what a file of tests says in it, and what it says of one that passed. */
const RUNNERS = {
  "node:test": {
    command: [process.execPath, "--test"],
    text: 'import { test } from "node:test";',
    passed: /# pass 1\b/,
  },
  "Deno.test": {
    command: [bin("deno"), "test", "--no-config"],
    text: "const test = Deno.test;",
    passed: /1 passed \| 0 failed/,
  },
  "bun:test": {
    command: [bin("bun"), "test"],
    text: 'import { test } from "bun:test";',
    passed: /\b1 pass\n\s*0 fail/,
  },
} as const;

let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "varve-runners-"));
  const { outputFiles } = await build({
    ...{ entryPoints: ["test/runtimes/kit.ts"], absWorkingDir: ROOT, bundle: true, write: false },
    ...{ format: "esm", platform: "neutral", target: "es2022", logLevel: "silent", mainFields: ["module", "main"] },
  });
  writeFileSync(join(folder, "kit.mjs"), outputFiles[0]?.contents ?? "");
});

afterAll(() => rmSync(folder, { recursive: true }));

for (const [name, { command, text, passed }] of Object.entries(RUNNERS)) {
  it(`works in ${name}`, async () => {
    const file = `${name.replace(/\W/g, "-")}.test.mjs`;
    writeFileSync(
      join(folder, file),
      `${text}\nimport { kitWorks } from "./kit.mjs";\ntest("the kit works", kitWorks);\n`,
    );
    const [program, ...args] = command;
    const env = { ...process.env, NO_COLOR: "1" };
    const { stdout, stderr } = await promisify(execFile)(program, [...args, `./${file}`], { cwd: folder, env });
    expect(stdout + stderr).toMatch(passed);
  });
}

it("works in vitest", kitWorks);
