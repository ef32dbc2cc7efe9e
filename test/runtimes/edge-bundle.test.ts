import { describe, expect, it } from "vitest";
import { type Bundle, bundleForIsolate } from "./bundle.ts";

/** What the core and the edge root consist of beside this package. Another name here is a decision. */
const CORE_PACKAGES = [
  "@libsql/client",
  "@libsql/core",
  "@libsql/hrana-client",
  "@libsql/isomorphic-ws",
  "@noble/hashes",
  "drizzle-orm",
  "eventemitter3",
  "js-base64",
  "promise-limit",
];

/** What who writes expressions pays for. */
const EXPRESSIONS = "@marcbachmann/cel-js";

/** What the HTTP layer adds. */
const HTTP_PACKAGES = ["hono", "zod"];

/** The most bytes of a bundle, gzipped: about a tenth more than it had when this was written. */
const GZIP_BYTES_MAX = { edge: 203_000, edgeAndHttp: 263_000, app: 175_000 };

/** What computes timetables, and is left out of an app that defines no schedule. */
const SCHEDULE_PACKAGES = ["croner"];

/** An app that uses all of varve, and one that defines no schedule. */
const EDGE = `
export * from "./src/index.ts";
export { createEngine } from "./src/runtime/edge.ts";
`;

/** An app with a webhook, and nothing that it does not use. */
const APP = `
export { env, github, webhook, workflow } from "./src/index.ts";
export { createEngine } from "./src/runtime/edge.ts";
`;

function print(name: string, { bytes, gzipBytes, bytesByPackage }: Bundle): void {
  const parts = [...bytesByPackage].map(([part, size]) => `${part === "" ? "varve" : part} ${size}`).join(", ");
  console.log(`the bundle of ${name}: ${bytes} bytes, ${gzipBytes} gzipped (${parts})`);
}

function packagesOf({ bytesByPackage }: Bundle): string[] {
  return [...bytesByPackage.keys()].filter((name) => name !== "").sort();
}

/** What only Node has, and what makes code of text. */
function foreignWords({ code }: Bundle): string[] {
  const found = code.match(/["'`]node:\w+|\brequire\(|\bprocess\.\w+|\bnew Function\(|\beval\(/g) ?? [];
  return [...new Set(found)];
}

describe("the bundle for isolates", () => {
  it("of varve and varve/edge imports nothing, pays for no package that it has no use for, and stays small", async () => {
    const bundle = await bundleForIsolate(EDGE);
    print("varve/edge", bundle);
    // No YAML parser, no CLI, no loader, no server, no native client: nothing but these.
    expect(packagesOf(bundle)).toEqual([...CORE_PACKAGES, EXPRESSIONS, ...SCHEDULE_PACKAGES].sort());
    // Not even a Node built-in, nor what an isolate refuses to do.
    expect(bundle.imports).toEqual([]);
    expect(foreignWords(bundle)).toEqual([]);
    expect(bundle.gzipBytes).toBeLessThan(GZIP_BYTES_MAX.edge);
  });

  it("of varve/http beside them adds Hono and zod, and no server of Node's", async () => {
    const bundle = await bundleForIsolate(`${EDGE}export * from "./src/http/index.ts";`);
    print("varve/edge and varve/http", bundle);
    expect(packagesOf(bundle)).toEqual([...CORE_PACKAGES, EXPRESSIONS, ...SCHEDULE_PACKAGES, ...HTTP_PACKAGES].sort());
    expect(bundle.imports).toEqual([]);
    expect(foreignWords(bundle)).toEqual([]);
    expect(bundle.gzipBytes).toBeLessThan(GZIP_BYTES_MAX.edgeAndHttp);
  });

  it("of an app without schedules computes no timetable, and has of the schemes the one that it uses", async () => {
    const bundle = await bundleForIsolate(APP);
    print("an app with a webhook", bundle);
    // Expressions are there: whoever dispatches a message evaluates what is stored of subscriptions and waits.
    expect(packagesOf(bundle)).toEqual([...CORE_PACKAGES, EXPRESSIONS].sort());
    expect(bundle.code).not.toContain("DateTimeFormat");
    expect(bundle.code).not.toMatch(/stripe-signature|x-slack-signature|x-shopify-hmac/);
    expect(bundle.gzipBytes).toBeLessThan(GZIP_BYTES_MAX.app);
  });

  it("is the same bytes each time", async () => {
    const [one, two] = await Promise.all([bundleForIsolate(EDGE), bundleForIsolate(EDGE)]);
    expect(two.code).toBe(one.code);
  });

  it.each(["node", "deno", "bun"])("cannot be made of varve/%s, which needs a process", async (root) => {
    await expect(bundleForIsolate(`export * from "./src/runtime/${root}.ts";`)).rejects.toThrow(
      /Could not resolve "node:(os|process|dns)\b/,
    );
  });
});
