// Every check of the house, one after the other; all are run, also after one that fails. With names: only those.
//
//   npm run check [-- format types deno ...]
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = (name) => fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url));

/** What is checked, and the command that does it. */
const CHECKS = [
  ["format", bin("biome"), "check", "--error-on-warnings", "."],
  ["types", bin("tsc"), "-p", "."],
  ["deno", bin("deno"), "check", "--quiet", "src", "workflows"],
  ["boundaries", bin("vitest"), "run", "test/boundaries.test.ts", "test/public-api.test.ts", "test/types"],
  ["unused", bin("knip")],
  ["build", process.execPath, "scripts/build.mjs"],
  ["publint", bin("publint"), "run", ".", "--strict"],
  ["exports", bin("attw"), "--pack", ".", "--profile", "esm-only"],
  ["package", process.execPath, "scripts/check-package.mjs"],
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !CHECKS.some(([known]) => known === name));
if (unknown.length > 0) {
  console.error(
    `expected names of checks (${CHECKS.map(([name]) => name).join(", ")}), but found ${unknown.join(", ")}`,
  );
  process.exit(2);
}

const failed = [];
for (const [name, command, ...args] of CHECKS) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const begun = performance.now();
  // A check writes no snapshot.
  const env = { ...process.env, CI: "1", NO_COLOR: "1" };
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, env, encoding: "utf8" });
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
  console.log(`${status === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (status === 0) continue;
  failed.push(name);
  console.log(`${error ?? ""}${stdout ?? ""}${stderr ?? ""}`.trimEnd());
}
if (failed.length > 0) {
  console.log(`\nfailed: ${failed.join(", ")}; one alone: npm run check -- ${failed[0]}`);
  process.exit(1);
}
