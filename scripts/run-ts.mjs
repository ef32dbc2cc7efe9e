// Runs TypeScript of this repository: Node 20 strips no types, so the entries are bundled first, and the first one is run.
//
//   node scripts/run-ts.mjs [--published] entry.ts [further.ts ...] [-- arguments]
//
// `--published`: `varve/...` leads to the built package (`npm run build` first), as for a user; else to the sources.
// A bundled entry finds another one beside itself, with the suffix `.mjs`.
import { spawnSync } from "node:child_process";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const end = process.argv.indexOf("--");
const own = process.argv.slice(2, end < 0 ? undefined : end);
const args = end < 0 ? [] : process.argv.slice(end + 1);
const isPublished = own.includes("--published");
const entryPoints = own.filter((word) => word !== "--published");
const [first] = entryPoints;
// Within the package, so that what it depends on is found as a user's code finds it.
const outdir = `${root}.tmp/${dirname(first)}/bundle`;

await build({
  absWorkingDir: root,
  entryPoints,
  outdir,
  outExtension: { ".js": ".mjs" },
  entryNames: "[name]",
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  packages: "external",
  logLevel: "warning",
  // The paths of tsconfig.json lead to the sources; the package's exports lead to what is published.
  ...(isPublished ? { tsconfigRaw: {} } : { alias: sources() }),
});

const { status } = spawnSync(process.execPath, [`${outdir}/${basename(first, ".ts")}.mjs`, ...args], {
  stdio: "inherit",
});
process.exitCode = status ?? 1;

function sources() {
  const runtimes = ["node", "deno", "bun", "edge", "client"].map((name) => [
    `varve/${name}`,
    `./src/runtime/${name}.ts`,
  ]);
  const layers = ["http", "testing"].map((name) => [`varve/${name}`, `./src/${name}/index.ts`]);
  return Object.fromEntries([["varve", "./src/index.ts"], ...runtimes, ...layers]);
}
