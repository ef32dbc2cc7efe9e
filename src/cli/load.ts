/**
 * Loads a user's workflow modules, TypeScript or JavaScript, on every Node that Varve runs on.
 *
 * Imports of `varve` go to the very package that runs, wherever it is: else a clone, a global installation or a linked
 * package would load a second copy, or none.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join, relative, resolve, sep } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";
import { isWorkflow, type Workflow } from "../ctx/workflow.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { toFailure } from "../kernel/failure.ts";
import type { QueueOptions, Queues } from "../kernel/queues.ts";
import { isNotifyEndpoint, type NotifyEndpoint } from "../outgoing/notify.ts";
import { isSchedule, type ScheduleDefinition } from "../scheduler/definition.ts";
import { type Hook, isHook } from "../triggers/hook.ts";

/** What modules export that an engine takes. */
export interface Loaded {
  readonly workflows: readonly Workflow<never, unknown, unknown>[];
  readonly hooks: readonly Hook[];
  readonly notify: readonly NotifyEndpoint[];
  readonly schedules: readonly ScheduleDefinition[];
  /** What modules export as `queues`, together. */
  readonly queues: Queues;
  readonly env: unknown;
}

export interface Loader {
  /**
   * Loads files, and the modules directly in directories.
   *
   * @throws DefinitionError `MODULE_NOT_FOUND`, `MODULE_FAILED`, `MODULE_EMPTY`, `ENV_REPEATED`
   */
  load(paths: readonly string[]): Promise<Loaded>;
  /** Every file that was loaded, also by a load that failed. */
  readonly files: () => string[];
}

const MODULE_EXTENSIONS: readonly string[] = [".ts", ".mts", ".js", ".mjs"];

/** Where modules are looked for when none are named. */
export const DEFAULT_WORKFLOWS = "workflows";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

export function createLoader(): Loader {
  const jiti = createJiti(import.meta.url, {
    alias: ownModules(),
    nativeModules: [join(PACKAGE, "dist"), join(PACKAGE, "src")],
    interopDefault: false,
  });
  return {
    load: async (paths) => {
      const files = paths.flatMap(moduleFiles);
      const modules: Exports[] = [];
      for (const file of files) modules.push({ file, exported: await load(jiti.import.bind(jiti), file) });
      return collect(modules);
    },
    files: () => Object.keys(jiti.cache).filter((file) => !file.includes(`${sep}node_modules${sep}`)),
  };
}

/** `varve`, `varve/node` and so on, by the package's own exports. */
function ownModules(): Record<string, string> {
  const { name, exports } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as {
    readonly name: string;
    readonly exports: Readonly<Record<string, { readonly default?: string } | string>>;
  };
  const entries = Object.entries(exports).map(([subpath, target]) => [
    join(name, subpath),
    join(PACKAGE, ownFile(typeof target === "string" ? target : (target.default ?? ""))),
  ]);
  return Object.fromEntries(entries);
}

/** Deno runs the sources, which are then the package that runs: it needs no build, and must not load a second copy. */
function ownFile(target: string): string {
  return import.meta.url.endsWith(".ts") ? target.replace(/^\.\/dist\/(.*)\.js$/, "./src/$1.ts") : target;
}

/** The file itself, or the modules of a directory in order of their names. */
function moduleFiles(path: string): string[] {
  const absolute = resolve(path);
  const found = statSync(absolute, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new DefinitionError(
      "MODULE_NOT_FOUND",
      `expected a workflow module or a directory of them at ${path}, but there is none; name modules as arguments, or a directory by --workflows`,
      { path: absolute },
    );
  }
  if (!found.isDirectory()) return [absolute];
  return readdirSync(absolute)
    .filter((name) => isModule(name))
    .sort()
    .map((name) => join(absolute, name));
}

export function isModule(name: string): boolean {
  return MODULE_EXTENSIONS.includes(extname(name)) && !/\.(d|test|spec)\.m?[tj]s$/.test(name);
}

interface Exports {
  readonly file: string;
  readonly exported: Readonly<Record<string, unknown>>;
}

async function load(import_: (id: string) => Promise<unknown>, file: string): Promise<Exports["exported"]> {
  try {
    return (await import_(file)) as Exports["exported"];
  } catch (cause) {
    throw failed(file, cause);
  }
}

function failed(file: string, cause: unknown): DefinitionError {
  const { name, message, stack = "" } = toFailure(cause);
  const place = placeOf(`${message}\n${stack}`, file);
  const reason = message.replace(/\s*\n\s*\S*:\d+:\d+\s*$/, "").trim();
  const at = `${relative(process.cwd(), place.file)}${place.line === null ? "" : `:${place.line}:${place.column}`}`;
  return new DefinitionError(
    "MODULE_FAILED",
    `expected ${relative(process.cwd(), file)} to load, but at ${at} found ${name}: ${reason}`,
    { ...place, ...(place.line === null ? {} : { frame: codeFrame(place.file, place.line, place.column) }) },
    { cause },
  );
}

type Place =
  | { readonly file: string; readonly line: number; readonly column: number }
  | { readonly file: string; readonly line: null };

/** The first place of a user's file that the text names. */
function placeOf(text: string, file: string): Place {
  for (const [, path = "", line, column] of text.matchAll(/(?:file:\/\/)?(\/[^\s():]+):(\d+):(\d+)/g)) {
    if (path.includes("/node_modules/") || path.startsWith(join(PACKAGE, "dist"))) continue;
    // The parser counts columns from 0, the engine from 1.
    return { file: path, line: Number(line), column: Number(column) + (text.startsWith("ParseError:") ? 1 : 0) };
  }
  return { file, line: null };
}

/** The line with its neighbours, and a mark under the column. */
function codeFrame(file: string, line: number, column: number): string {
  let lines: string[];
  try {
    lines = readFileSync(file, "utf8").split(/\r?\n/);
  } catch {
    return "";
  }
  const width = String(line + 1).length;
  const shown: string[] = [];
  for (let at = Math.max(1, line - 2); at <= Math.min(lines.length, line + 1); at++) {
    shown.push(`${at === line ? ">" : " "} ${String(at).padStart(width)} | ${lines[at - 1]}`);
    if (at === line) shown.push(`  ${" ".repeat(width)} | ${" ".repeat(Math.max(0, column - 1))}^`);
  }
  return shown.join("\n");
}

function collect(modules: readonly Exports[]): Loaded {
  const workflows = new Set<Workflow>();
  const hooks = new Set<Hook>();
  const notify = new Set<NotifyEndpoint>();
  const schedules = new Set<ScheduleDefinition>();
  const queues: Record<string, QueueOptions> = {};
  let env: { readonly file: string; readonly value: unknown } | null = null;
  for (const { file, exported } of modules) {
    for (const value of Object.values(exported)) {
      if (isWorkflow(value)) workflows.add(value);
      else if (isHook(value)) hooks.add(value);
      else if (isNotifyEndpoint(value)) notify.add(value);
      else if (isSchedule(value)) schedules.add(value);
    }
    Object.assign(queues, exported.queues);
    if (exported.env === undefined) continue;
    if (env !== null && env.value !== exported.env) throw envRepeated(env.file, file);
    env = { file, value: exported.env };
  }
  if (workflows.size === 0) throw empty(modules);
  return {
    workflows: [...workflows],
    hooks: [...hooks],
    notify: [...notify],
    schedules: [...schedules],
    queues,
    env: env?.value,
  };
}

function envRepeated(first: string, second: string): DefinitionError {
  return new DefinitionError(
    "ENV_REPEATED",
    `expected one module to export env, which all steps are given, but found one in ${first} and another in ${second}; export it from one of them`,
    { first, second },
  );
}

function empty(modules: readonly Exports[]): DefinitionError {
  const files = modules.map(({ file }) => relative(process.cwd(), file));
  return new DefinitionError(
    "MODULE_EMPTY",
    `expected a module that exports a workflow, but found none in ${files.join(", ") || "an empty directory"}; export what workflow(...) returns`,
    { files },
  );
}
