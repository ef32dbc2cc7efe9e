import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Breach, breaches, type Rule, specifiers, withoutTexts } from "./support/boundaries.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

function sources(): Map<string, string> {
  const paths = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [relative(root, path).split(sep).join("/"), readFileSync(path, "utf8")]));
}

describe("the sources", () => {
  it("keep every boundary", () => {
    const files = sources();
    expect(files.size).toBeGreaterThan(60);
    expect(breaches(files)).toEqual([]);
  });

  it("are read: their imports are seen", () => {
    const files = sources();
    const seen = [...files].flatMap(([, text]) => specifiers(text));
    // Counted another way: words at the start of a line. Each declaration with `from` is one.
    const counted = [...files.values()].flatMap((text) => text.match(/^(import|export|\})[^\n]* from "/gm) ?? []);
    expect(seen.length).toBeGreaterThanOrEqual(counted.length);
    expect(new Set(seen.filter((specifier) => !specifier.startsWith(".")))).toContain("drizzle-orm");
  });
});

describe("a planted breach is found, and nothing else", () => {
  const plants: readonly (readonly [rule: Rule, what: string, files: Readonly<Record<string, string>>])[] = [
    ["layers", "kernel imports libsql", { "src/kernel/a.ts": 'import { b } from "../log/libsql/b.ts";' }],
    ["layers", "ctx imports worker", { "src/ctx/a.ts": 'import type { B } from "../worker/worker.ts";' }],
    ["layers", "worker imports ctx", { "src/worker/a.ts": 'export { b } from "../ctx/b.ts";' }],
    ["layers", "engine imports libsql", { "src/engine/a.ts": 'import "../log/libsql/open.ts";' }],
    ["layers", "http imports engine:", { "src/http/a.ts": 'import { b } from "../engine/engine.ts";' }],
    ["layers", "client imports http", { "src/client/a.ts": 'import {\n  b,\n  c,\n} from "../http/app.ts";' }],
    ["layers", "runtime imports cli", { "src/runtime/a.ts": 'const b = await import("../cli/b.ts");' }],
    ["layers", "runtime imports cli", { "src/runtime/a.ts": 'import { b } from "../cli/main.ts";' }],
    ["layers", "cli imports libsql", { "src/cli/a.ts": 'import { b } from "../log/libsql/b.ts";' }],
    ["layers", "index imports runtime", { "src/index.ts": 'export { b } from "./runtime/node.ts";' }],
    ["packages", "runtime imports jiti", { "src/runtime/a.ts": 'import { createJiti } from "jiti";' }],
    ["packages", "kernel imports zod/mini", { "src/kernel/a.ts": 'import { z } from "zod/mini";' }],
    ["packages", "worker imports drizzle-orm/x", { "src/worker/a.ts": 'import { sql } from "drizzle-orm/x";' }],
    ["packages", "engine imports @libsql/client", { "src/engine/a.ts": 'import { b } from "@libsql/client/http";' }],
    ["packages", "libsql imports libsql", { "src/log/libsql/a.ts": 'import b from "libsql";' }],
    ["packages", "kernel imports left-pad", { "src/kernel/a.ts": 'import pad from "left-pad";' }],
    ["packages", "client imports varve", { "src/client/a.ts": 'import { b } from "varve";' }],
    ["builtins", "node:fs", { "src/http/a.ts": 'import { readFileSync } from "node:fs";' }],
    ["builtins", "node:async_hooks", { "src/worker/a.ts": 'import { b } from "node:async_hooks";' }],
    ["globals", "Date.now", { "src/kernel/a.ts": "const now = Date.now();" }],
    ["globals", "new Date()", { "src/ctx/a.ts": "const now = new Date();" }],
    ["globals", "Date()", { "src/ctx/a.ts": "const now = Date();" }],
    ["globals", "performance", { "src/worker/a.ts": "const at = performance.now();" }],
    ["globals", "Math.random", { "src/kernel/a.ts": "const x = [Math.random()];" }],
    ["globals", "setTimeout", { "src/worker/a.ts": "setTimeout(() => {}, 1);" }],
    ["globals", "setInterval", { "src/http/a.ts": "const stop = setInterval(tick, 1);" }],
    ["globals", "setImmediate", { "src/worker/a.ts": "const drain = setImmediate;" }],
    ["globals", "crypto.randomUUID", { "src/engine/a.ts": "const id = crypto.randomUUID();" }],
    ["globals", "crypto.getRandomValues", { "src/engine/a.ts": "crypto.getRandomValues(bytes);" }],
    ["globals", "fetch", { "src/triggers/a.ts": "const answer = await fetch(url);" }],
    ["globals", "process", { "src/http/a.ts": "const port = process.env.PORT;" }],
    ["globals", "console", { "src/observe/a.ts": 'console.log("x");' }],
    ["globals", "console", { "src/observe/a.ts": 'const text = `a ${b(`c ${console.log("}")}`)}`;' }],
    ["globals", "globalThis", { "src/ctx/a.ts": 'const x = globalThis["process"];' }],
    ["globals", "Deno", { "src/log/port.ts": "const x = Deno.env;" }],
    ["globals", "Bun", { "src/log/memory.ts": "const x = Bun.file(a);" }],
    ["globals", "require", { "src/kernel/a.ts": 'const fs = require("fs");' }],
    ["globals", "eval", { "src/kernel/a.ts": 'const f = new Function("x");' }],
    ["globals", "import()", { "src/kernel/a.ts": "const later = await import(name);" }],
    [
      "cycles",
      "src/kernel/a.ts -> src/kernel/b.ts -> src/kernel/c.ts -> src/kernel/a.ts",
      {
        "src/kernel/a.ts": 'import { b } from "./b.ts";',
        "src/kernel/b.ts": 'import type { C } from "./c.ts";',
        "src/kernel/c.ts": 'export { a } from "./a.ts";',
      },
    ],
    ["places", "lies in no layer", { "src/utils/a.ts": "export const a = 1;" }],
    ["places", "imports test/b.ts", { "src/kernel/a.ts": 'import { b } from "../../test/b.ts";' }],
  ];

  for (const [rule, what, files] of plants) {
    it(`${rule}: ${what} in ${Object.keys(files)[0]}`, () => {
      const found = breaches(new Map(Object.entries(files)));
      expect(found).toEqual([{ rule, file: Object.keys(files)[0], what: expect.stringContaining(what) }]);
    });
  }

  it("among all the sources", () => {
    const files = sources();
    const path = "src/kernel/retry.ts";
    files.set(path, `${files.get(path)}\nexport const jitter = Math.random();\n`);
    expect(breaches(files)).toEqual<Breach[]>([{ rule: "globals", file: path, what: "Math.random" }]);
  });
});

describe("what is no breach", () => {
  const fine: readonly (readonly [what: string, file: string, text: string])[] = [
    ["a comment", "src/kernel/a.ts", "// Date.now() and fetch(x)\n/** process.env, import(x) */\nconst a = 1;"],
    ["a text", "src/kernel/a.ts", 'const a = "Date.now()" + `setTimeout ${name} console.log`;'],
    ["a regular expression", "src/kernel/a.ts", 'const a = /fetch("|`)/.test(b); const c = "x";'],
    ["a date of a value", "src/ctx/a.ts", "const a = new Date(ms); const b: Date = a;"],
    ["a property, a method, a key", "src/http/a.ts", "app.fetch(request); const a = { fetch: b, process(x) { } };"],
    ["a parameter of that name", "src/client/a.ts", "function f({ url, fetch }: Parts) {\n  return fetch(url);\n}"],
    ["the rest of crypto", "src/triggers/a.ts", "await crypto.subtle.verify(a, b, c, d);"],
    ["what every runtime has", "src/worker/a.ts", "queueMicrotask(f); structuredClone(a); new AbortController();"],
    ["the runtime itself", "src/runtime/a.ts", 'import os from "node:os";\nsetTimeout(f, Date.now()); process.exit();'],
    [
      "an example in a comment",
      "src/index.ts",
      '/**\n * import { createEngine } from "varve/node";\n */\nconst a = 1;',
    ],
  ];
  for (const [what, file, text] of fine) {
    it(what, () => expect(breaches(new Map([[file, text]]))).toEqual([]));
  }

  it("is told from code by what stands before it", () => {
    expect(withoutTexts("a = b / c; d = e / f; // g")).toBe('a = b / c; d = e / f; ""');
    expect(withoutTexts('x = `a ${"}" + y} b` + z')).toMatch(/y.*\+ z/);
  });
});
