/**
 * The boundaries of `src/` as data, and what judges files by them: who may import whom, which packages and globals belong
 * to which layer (`src/README.md`, rooms and rule R10). Pure: files are a map of paths to texts.
 */

/** The layer of a path: the first row that fits counts, so a layer's public part stands before the layer. */
const LAYER_OF: readonly (readonly [prefix: string, layer: Layer])[] = [
  ["src/index.ts", "index"],
  ["src/kernel/", "kernel"],
  ["src/log/port", "log port"],
  ["src/log/libsql/", "libsql"],
  ["src/log/memory", "memory log"],
  ["src/observe/", "observe"],
  ["src/triggers/", "triggers"],
  ["src/outgoing/", "outgoing"],
  ["src/worker/recorder.ts", "recorder"],
  ["src/worker/", "worker"],
  ["src/ctx/", "ctx"],
  ["src/admission/", "admission"],
  ["src/scheduler/", "scheduler"],
  ["src/history/", "history"],
  ["src/graph/", "graph"],
  ["src/dialects/", "dialects"],
  ["src/engine/api", "engine interface"],
  ["src/engine/", "engine"],
  ["src/http/wire", "wire"],
  ["src/http/", "http"],
  ["src/client/", "client"],
  ["src/testing/", "testing"],
  ["src/runtime/", "runtime"],
  ["src/cli/", "cli"],
];

type Layer = keyof typeof MAY_IMPORT;

/** Who may import whom. Every layer may import itself. */
const MAY_IMPORT = {
  kernel: [],
  "log port": ["kernel"],
  "memory log": ["kernel", "log port"],
  libsql: ["kernel", "log port"],
  observe: ["kernel"],
  triggers: ["kernel"],
  outgoing: ["kernel", "log port", "observe", "triggers"],
  recorder: ["kernel"],
  worker: ["kernel", "log port", "observe", "recorder"],
  ctx: ["kernel", "triggers", "recorder"],
  admission: ["kernel", "log port"],
  scheduler: ["kernel", "log port", "triggers"],
  history: ["kernel", "log port"],
  graph: ["kernel", "ctx"],
  dialects: ["kernel", "graph"],
  "engine interface": ["kernel", "observe", "triggers", "scheduler", "worker"],
  engine: [
    ...["kernel", "log port", "observe", "triggers", "recorder", "worker", "ctx"],
    ...["outgoing", "admission", "scheduler", "history", "graph", "engine interface"],
  ],
  wire: ["kernel", "engine interface"],
  http: ["kernel", "engine interface", "wire"],
  client: ["kernel", "engine interface", "wire"],
  testing: [
    ...["kernel", "log port", "memory log", "triggers", "scheduler", "recorder", "worker"],
    ...["ctx", "engine", "engine interface"],
  ],
  runtime: [
    ...["kernel", "log port", "libsql", "observe", "triggers", "outgoing", "scheduler", "worker", "ctx", "history"],
    ...["engine", "engine interface", "http", "client"],
  ],
  cli: [
    ...["kernel", "triggers", "outgoing", "scheduler", "ctx", "history", "engine", "engine interface"],
    ...["http", "wire", "client", "dialects", "runtime"],
  ],
  index: ["kernel", "observe", "triggers", "outgoing", "scheduler", "recorder", "worker", "ctx", "engine interface"],
} as const satisfies Record<string, readonly string[]>;

/** Which layers may import a package. One that is not here may be imported by none. */
const PACKAGES: Readonly<Record<string, readonly Layer[]>> = {
  "@noble/hashes": ["kernel"],
  "@standard-schema/spec": ["kernel", "ctx"],
  croner: ["scheduler"],
  eventemitter3: ["observe"],
  "@marcbachmann/cel-js": ["triggers"],
  "drizzle-orm": ["libsql"],
  // The doctor of the command line tries whether its native module loads.
  "@libsql/client": ["libsql", "runtime", "cli"],
  libsql: ["runtime"],
  zod: ["http", "wire", "graph"],
  hono: ["http"],
  "@hono/node-server": ["runtime", "cli"],
  commander: ["cli"],
  jiti: ["cli"],
  picocolors: ["cli"],
};

/** What only `runtime/` and `cli/` may touch, found in code without comments and texts. */
const GLOBALS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["Date.now", /\bDate\s*\.\s*now\b/],
  ["new Date()", /\bnew\s+Date\b(?!\s*\(\s*[^)\s])/],
  ["Date()", /(?<!\bnew\s+|[.\w$])Date\s*\(/],
  ["performance", bare("performance")],
  ["Math.random", /\bMath\s*\.\s*random\b/],
  ["setTimeout", bare("setTimeout")],
  ["setInterval", bare("setInterval")],
  ["setImmediate", bare("setImmediate")],
  ["crypto.randomUUID", /\bcrypto\s*\.\s*randomUUID\b/],
  ["crypto.getRandomValues", /\bcrypto\s*\.\s*getRandomValues\b/],
  ["fetch", bare("fetch")],
  ["process", bare("process")],
  ["console", bare("console")],
  ["globalThis", bare("globalThis")],
  ["Deno", bare("Deno")],
  ["Bun", bare("Bun")],
  ["require", bare("require")],
  ["eval", /(?<![.\w$])(?:eval\s*\(|new\s+Function\b)/],
  ["import()", /(?<![.\w$])import\s*\(/],
];

/** A free name: no property, no method, no key, and no part of a longer name. */
function bare(name: string): RegExp {
  return new RegExp(`(?<![.\\w$#])${name}\\b(?!\\s*\\??:|\\s*\\([^()]*\\)\\s*[:{])|\\.\\.\\.${name}\\b`);
}

const OUTSIDE: readonly Layer[] = ["runtime", "cli"];

/** A simulation has no time of its own, but must get past the microtasks of a task. */
const ALSO: Readonly<Record<string, readonly Layer[]>> = { setImmediate: ["testing"] };

/** The names of all rules: each has a planted breach in the test. */
export type Rule = "layers" | "packages" | "builtins" | "globals" | "cycles" | "places";

export interface Breach {
  readonly rule: Rule;
  readonly file: string;
  readonly what: string;
}

export type Files = ReadonlyMap<string, string>;

/** Everything that these files do and may not. */
export function breaches(files: Files): Breach[] {
  return [...[...files].flatMap(([file, text]) => breachesOf(file, text)), ...cycles(files)];
}

function breachesOf(file: string, text: string): Breach[] {
  const layer = layerOf(file);
  if (layer === null) return [{ rule: "places", file, what: "lies in no layer" }];
  return [
    ...specifiers(text).flatMap((specifier) => importBreach(file, layer, specifier) ?? []),
    ...globals(layer, text).map((what): Breach => ({ rule: "globals", file, what })),
  ];
}

function layerOf(path: string): Layer | null {
  return LAYER_OF.find(([prefix]) => path.startsWith(prefix))?.[1] ?? null;
}

function importBreach(file: string, layer: Layer, specifier: string): Breach | null {
  if (specifier.startsWith(".")) {
    const target = resolve(file, specifier);
    const other = layerOf(target);
    if (other === null) return { rule: "places", file, what: `imports ${target}, which lies in no layer` };
    const allowed: readonly string[] = MAY_IMPORT[layer];
    if (other === layer || allowed.includes(other)) return null;
    return { rule: "layers", file, what: `${layer} imports ${other}: ${target}` };
  }
  if (/^(node|bun|cloudflare):/.test(specifier)) {
    return OUTSIDE.includes(layer) ? null : { rule: "builtins", file, what: `imports ${specifier}` };
  }
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  return PACKAGES[name]?.includes(layer) === true
    ? null
    : { rule: "packages", file, what: `${layer} imports ${specifier}` };
}

function resolve(file: string, specifier: string): string {
  const parts = file.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function globals(layer: Layer, text: string): string[] {
  if (OUTSIDE.includes(layer)) return [];
  const code = withoutTexts(text);
  return GLOBALS.filter(([name, pattern]) => pattern.test(code) && !isTakenApart(code, name))
    .map(([name]) => name)
    .filter((name) => ALSO[name]?.includes(layer) !== true);
}

/** Whether the name is what a parameter or a constant is taken apart into: then it is no global in this file. */
function isTakenApart(code: string, name: string): boolean {
  return /^\w+$/.test(name) && new RegExp(`\\{[^{}]*\\b${name}\\b[^{}]*\\}\\s*(?::\\s*\\w|=\\s*\\w)`).test(code);
}

/** What a module imports or hands on, types too. Declarations begin at the start of a line, examples in comments do not. */
export function specifiers(text: string): string[] {
  const declared = text.matchAll(/^(?:import|export)\s[^;"'`]*?\bfrom\s*["']([^"']+)["']/gm);
  const bareImports = text.matchAll(/^import\s*["']([^"']+)["']/gm);
  const inTypes = withoutComments(text).matchAll(/\bimport\s*\(\s*["']([^"']+)["']/g);
  return [declared, bareImports, inTypes].flatMap((matches) => [...matches].map((match) => match[1] as string));
}

// ---- Cycles ----

function cycles(files: Files): Breach[] {
  const found: Breach[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) {
      found.push({ rule: "cycles", file, what: [...path.slice(start), file].join(" -> ") });
      return;
    }
    if (done.has(file)) return;
    for (const specifier of specifiers(files.get(file) ?? "")) {
      if (specifier.startsWith(".")) visit(resolve(file, specifier), [...path, file]);
    }
    done.add(file);
  };
  for (const file of files.keys()) visit(file, []);
  return found;
}

// ---- Code without what is not code ----

/**
 * A comment, a text, a regular expression, or any other character. A regular expression is told from a division by what
 * stands before it.
 */
const TOKEN =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|(?<=[(,=:[!&|?{};\n]\s*|\breturn\s+)\/(?![/*])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*|`/g;

function withoutComments(text: string): string {
  return text.replace(TOKEN, (token) => (token.startsWith("//") || token.startsWith("/*") ? " " : token));
}

/** Blanks comments, texts and regular expressions. What stands in the holes of a template is code, and stays. */
export function withoutTexts(text: string): string {
  let code = "";
  let at = 0;
  const tokens = new RegExp(TOKEN.source, "g");
  for (;;) {
    tokens.lastIndex = at;
    const match = tokens.exec(text);
    if (match === null) return code + text.slice(at);
    code += `${text.slice(at, match.index)}""`;
    at = match.index + match[0].length;
    if (match[0] === "`") {
      const template = readTemplate(text, at);
      code += template.code;
      at = template.end;
    }
  }
}

/** From behind the opening quote: the code of its holes, and where it ends. */
function readTemplate(text: string, from: number): { code: string; end: number } {
  let code = "";
  let at = from;
  while (at < text.length && text[at] !== "`") {
    if (text[at] === "\\") at += 2;
    else if (text.startsWith("${", at)) {
      const end = endOfHole(text, at + 2);
      code += ` (${withoutTexts(text.slice(at + 2, end))}) `;
      at = end + 1;
    } else at++;
  }
  return { code, end: at + 1 };
}

function endOfHole(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const char = text[at];
    if (char === "}" && depth === 0) return at;
    if (char === "{") depth++;
    else if (char === "}") depth--;
    else if (char === "`") at = readTemplate(text, at + 1).end - 1;
    else if (char === '"' || char === "'") at = text.indexOf(char, at + 1);
    at++;
  }
  return at;
}
