/**
 * What users of the package can name, as text: a change of it shows in the diff of `public-api.d.txt`. A change that is
 * meant is written by `npx vitest run test/public-api.test.ts -u`.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiText, type Declarations, type Entry, readEntry } from "./support/public-api.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

let folder: string;
let entries: Map<string, Entry>;

/** Entries of package.json whose sources exist, by name. */
function entryPaths(): [name: string, path: string][] {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    exports: Record<string, string | { types: string }>;
  };
  return Object.entries(exports)
    .flatMap(([name, target]): [string, string][] => (typeof target === "string" ? [] : [[name, target.types]]))
    .map(([name, types]): [string, string] => [name.replace(/^\./, "varve"), types.replace("./dist/", "")])
    .filter(([, path]) => existsSync(join(root, "src", path.replace(/\.d\.ts$/, ".ts"))));
}

beforeAll(() => {
  mkdirSync(join(root, ".tmp"), { recursive: true });
  folder = mkdtempSync(join(root, ".tmp/api-"));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const options = ["--declaration", "--emitDeclarationOnly", "--outDir", folder];
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json", ...options], { cwd: root });
  const declarations: Declarations = new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [relative(folder, path).split(sep).join("/"), readFileSync(path, "utf8")]),
  );
  entries = new Map(entryPaths().map(([name, path]) => [name, readEntry(declarations, path)]));
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the public API", () => {
  it("is the one that is written down", async () => {
    await expect(apiText(entries)).toMatchFileSnapshot("public-api.d.txt");
  });

  it("has every entry that the runtimes need, with the same names in each", () => {
    for (const runtime of ["node", "deno", "bun", "edge"]) {
      expect([...(entries.get(`varve/${runtime}`)?.exported.keys() ?? [])].sort(), runtime).toEqual([
        "EngineOptions",
        "createEngine",
      ]);
    }
    expect(entries.get("varve")?.exported.size).toBeGreaterThan(50);
  });

  it("has nothing of type any", () => {
    for (const { exported, behind } of entries.values()) {
      for (const [name, text] of [...exported, ...behind]) expect(text, name).not.toMatch(/(?<![\w"])any\b(?! )/);
    }
  });
});

describe("a change of the API shows", () => {
  const base = { "index.d.ts": 'export { go } from "./go.js";', "go.d.ts": "" };
  const textOf = (go: string, index = base["index.d.ts"]) =>
    apiText(
      new Map([["varve", readEntry(new Map(Object.entries({ "index.d.ts": index, "go.d.ts": go })), "index.d.ts")]]),
    );
  const before =
    "interface Options {\n    readonly a: string;\n}\nexport declare function go(options: Options): void;\n";

  it("in a declaration", () => {
    expect(textOf(before)).toBe(
      "// ==== varve ====\nfunction go(options: Options): void;\n\n" +
        "// not exported, but part of the above\ninterface Options {\n    readonly a: string;\n}\n",
    );
    expect(textOf(before.replace("void", "string"))).not.toBe(textOf(before));
  });

  it("in what a declaration is made of", () => {
    expect(textOf(before.replace("readonly a", "readonly b"))).not.toBe(textOf(before));
  });

  it("in a name", () => {
    expect(textOf(before, 'export { go as start } from "./go.js";')).toBe(textOf(before));
    expect(textOf(`${before}export declare const more: number;\n`, 'export { go, more } from "./go.js";')).toContain(
      "more",
    );
  });

  it("but not in a comment", () => {
    expect(textOf(`/** Goes. */\n${before}`)).toBe(textOf(before));
  });
});
