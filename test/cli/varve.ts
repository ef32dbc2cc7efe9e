/** The built command in child processes, each with a directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MAIN = join(ROOT, "dist/cli/main.js");

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** A command that goes on. */
export interface Running {
  readonly process: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves when what it has printed fits. */
  printed(text: string | RegExp, stream?: "stdout" | "stderr"): Promise<void>;
  /** Sends a signal. */
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Outcome>;
}

/** A directory, and the command in it. */
export interface Place {
  readonly path: string;
  write(name: string, text: string): void;
  /** Runs it to its end. */
  varve(args: readonly string[], options?: CallOptions): Promise<Outcome>;
  start(args: readonly string[], options?: CallOptions): Running;
  /** `varve serve` on any port, once it listens. */
  serve(args?: readonly string[], options?: CallOptions): Promise<Running & { readonly url: string }>;
}

checkBuild();

/** A directory that goes with the test, and what was started in it too. */
export function place(): Place {
  const path = mkdtempSync(join(tmpdir(), "varve-cli-"));
  const children: Running[] = [];
  onTestFinished(async () => {
    for (const { process: child } of children) child.kill("SIGKILL");
    await Promise.all(children.map(({ ended }) => ended));
    rmSync(path, { recursive: true, force: true });
  });
  const start: Place["start"] = (args, options = {}) => {
    const child = run(path, args, options);
    children.push(child);
    return child;
  };
  return {
    path,
    write: (name, text) => {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), text);
    },
    varve: (args, options) => start(args, options).ended,
    start,
    serve: async (args = [], options) => {
      const child = start(["serve", "--port", "0", "--json", ...args], options);
      await child.printed("\n", "stdout");
      const { url } = JSON.parse(child.stdout()) as { url: string };
      return { ...child, url };
    },
  };
}

function run(cwd: string, args: readonly string[], { env = {}, stdin }: CallOptions): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? "", HOME: cwd, TMPDIR: tmpdir(), ...env },
    stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  child.stdin?.end(stdin);
  const texts = { stdout: "", stderr: "" };
  const waiting = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
      for (const look of [...waiting]) look();
    });
  }
  let hasEnded = false;
  const ended = once(child, "close").then(([code]): Outcome => {
    hasEnded = true;
    for (const look of [...waiting]) look();
    return { code: code as number | null, ...texts };
  });
  const printed: Running["printed"] = (text, stream = "stderr") =>
    new Promise((resolve, reject) => {
      const look = () => {
        const fits = typeof text === "string" ? texts[stream].includes(text) : text.test(texts[stream]);
        if (!fits && !hasEnded) return;
        waiting.delete(look);
        if (fits) resolve();
        else
          reject(
            new Error(`varve ${args.join(" ")} ended without printing ${text}:\n${texts.stdout}\n${texts.stderr}`),
          );
      };
      waiting.add(look);
      look();
    });
  return {
    process: child,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    printed,
    kill: (signal) => void child.kill(signal),
    ended,
  };
}

function checkBuild(): void {
  if (!existsSync(MAIN)) throw new Error(`these tests run dist/, and there is none: npm run build`);
  const built = statSync(MAIN).mtimeMs;
  const stale = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).find(
    (name) => name.endsWith(".ts") && statSync(join(ROOT, "src", name)).mtimeMs > built,
  );
  if (stale !== undefined) throw new Error(`these tests run dist/, which is older than src/${stale}: npm run build`);
}

/** The only document on stdout. */
export function json<T = Readonly<Record<string, unknown>>>({ stdout }: Pick<Outcome, "stdout">): T {
  return JSON.parse(stdout) as T;
}

/** The error that `--json` prints. */
export function jsonError({ stderr }: Pick<Outcome, "stderr">): { readonly code: string; readonly message: string } {
  return (JSON.parse(stderr) as { error: { code: string; message: string } }).error;
}

/** Whether `text` steers a terminal. */
export function hasEscapes(text: string): boolean {
  return text.includes("\u001b[");
}

/**
 * Workflows in TypeScript. Bodies append a line to `bodies.txt` when they begin; HOLD names one that never ends.
 */
export const WORKFLOWS = `
import { appendFileSync } from "node:fs";
import { type Ctx, TerminalError, withEnv } from "varve";

type Env = { begin: (key: string) => Promise<void> };
enum Kind { Small = "small" }
const { workflow } = withEnv<Env>();

export const env: Env = {
  begin: async (key) => {
    appendFileSync("bodies.txt", key + "\\n");
    if (process.env.HOLD !== key) return;
    console.error("held " + key);
    await new Promise(() => {});
  },
};

export const greet = workflow({ name: "greet" }, async (ctx: Ctx<Env>, input: { name: string; ms?: number }) => {
  const text = await ctx.step("compose", async ({ key, env }) => {
    await env.begin(key);
    return "Hello, " + input.name;
  });
  await ctx.sleep("pause", input.ms ?? 1);
  const kind = await ctx.step("sort", async ({ key, env }) => {
    await env.begin(key);
    return Kind.Small;
  });
  return { text, kind, at: new Date(0) };
});

export const refuse = workflow({ name: "refuse" }, async (ctx: Ctx<Env>) =>
  ctx.step("look", async () => {
    throw new TerminalError("no such order", { code: "NO_ORDER" });
  }),
);
`;
