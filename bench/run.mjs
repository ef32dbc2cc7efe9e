// Bundles the bench, because Node 20 strips no types, and runs it. It measures the built package: `npm run build` first.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
// Within the package, so that `varve/node` is found as a user's code finds it.
const outdir = `${root}.tmp/bench/bundle`;

await build({
  absWorkingDir: root,
  entryPoints: ["bench/main.ts", "bench/workload.ts"],
  outdir,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  packages: "external",
  // The paths of tsconfig.json lead to the sources; the package's exports lead to what is published.
  tsconfigRaw: {},
  logLevel: "warning",
});

const { status } = spawnSync(process.execPath, [`${outdir}/main.mjs`, ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
