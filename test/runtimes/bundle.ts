/** Bundles of this package, made by esbuild as a user's bundler would. */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { type BuildOptions, build, type Metafile } from "esbuild";

/** The package's folder, with the slash at its end. Looked for, because a script's bundle lies deeper than its sources. */
export const ROOT = packageAbove(new URL(".", import.meta.url));

function packageAbove(folder: URL): string {
  return existsSync(new URL("package.json", folder)) ? fileURLToPath(folder) : packageAbove(new URL("..", folder));
}

/** What a bundler for isolates sets: no platform, and the packages' builds for workers. */
const FOR_ISOLATES: BuildOptions = {
  platform: "neutral",
  conditions: ["workerd", "worker", "browser", "import"],
  mainFields: ["browser", "module", "main"],
};

const FOR_NODE: BuildOptions = { platform: "node", target: "node20" };

/** For packages that are CommonJS: a module has no `require`. */
const REQUIRE = `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`;

export interface Bundle {
  readonly code: string;
  readonly bytes: number;
  readonly gzipBytes: number;
  /** What it imports and does not contain. */
  readonly imports: readonly string[];
  /** How much of it comes from which package; `""`: from this one. */
  readonly bytesByPackage: ReadonlyMap<string, number>;
}

/**
 * Bundles `source`, a module at the root of this package, for an isolate.
 *
 * @throws when something is imported that an isolate does not have: nothing is external but `provided`
 */
export async function bundleForIsolate(source: string, provided: readonly string[] = []): Promise<Bundle> {
  return await bundle({
    ...FOR_ISOLATES,
    stdin: { contents: source, resolveDir: ROOT, sourcefile: "entry.ts", loader: "ts" },
    external: [...provided],
    minify: true,
  });
}

/** Bundles the modules at `path` of this package for Node, leaving the packages that it depends on outside. */
export async function bundleForNode(path: string): Promise<Bundle> {
  return await bundle({ ...FOR_NODE, entryPoints: [path], packages: "external" });
}

/** The same with all packages within, but for the driver, which is no JavaScript: it boots in half the time. */
export async function wholeBundleForNode(path: string): Promise<Bundle> {
  return await bundle({ ...FOR_NODE, entryPoints: [path], external: ["libsql"], banner: { js: REQUIRE } });
}

async function bundle(options: BuildOptions): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
    metafile: true,
    logLevel: "silent",
    outfile: "bundle.js",
    ...options,
  });
  const { contents, text } = outputFiles?.[0] ?? { contents: new Uint8Array(), text: "" };
  const output = Object.values((metafile as Metafile).outputs)[0];
  return {
    code: text,
    bytes: contents.length,
    gzipBytes: gzipSync(contents, { level: 9 }).length,
    imports: [...new Set((output?.imports ?? []).map(({ path }) => path))].sort(),
    bytesByPackage: byPackage(output?.inputs ?? {}),
  };
}

function byPackage(inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>): Map<string, number> {
  const bytes = new Map<string, number>();
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? "";
    bytes.set(name, (bytes.get(name) ?? 0) + bytesInOutput);
  }
  return new Map([...bytes].sort(([, a], [, b]) => b - a));
}
