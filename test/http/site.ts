/** An engine with an app before it, on a log in memory, and what the tests of the HTTP layer send. */
import type { Hono } from "hono";
import { z } from "zod";
import { type Workflow, workflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import type { ApiScope } from "../../src/engine/api-keys.ts";
import { createEngineOf } from "../../src/engine/engine.ts";
import { type AppOptions, createApp } from "../../src/http/index.ts";
import type { WireProblem } from "../../src/http/wire.ts";
import type { ResumeOptions } from "../../src/kernel/resume.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { Hook } from "../../src/triggers/hook.ts";
import { type LogLine, realPorts } from "../support/ports.ts";

/** Gives back what it was given. */
export const echo = workflow({ name: "echo" }, async (ctx, input: unknown) => {
  return await ctx.step("repeat", () => input as never);
});

/** Takes one kind of input only. */
export const strict = workflow(
  { name: "strict", input: z.object({ id: z.string() }) },
  async (_ctx, input) => input.id,
);

/** Sleeps for an hour. */
export const sleepy = workflow({ name: "sleepy" }, async (ctx, _input: unknown) => {
  await ctx.sleep("nap", "1h");
});

/** Fails at once. */
export const failing = workflow({ name: "failing" }, async (ctx, _input: unknown) => {
  await ctx.step("break", () => Promise.reject(new Error("it broke")), { retry: { attempts: 1 } });
});

/** Fails with all that could have helped. */
export const gathered = workflow({ name: "gathered" }, async (ctx, _input: unknown) => {
  const fail = (name: string) => ctx.step(name, () => Promise.reject(new Error(name)), { retry: { attempts: 1 } });
  return await Promise.any([fail("a"), fail("b")]);
});

export interface TestSite {
  readonly engine: Engine;
  readonly store: LogStore;
  readonly app: Hono;
  readonly lines: readonly LogLine[];
  /** A request with a key of all scopes. */
  ask(path: string, init?: RequestInit): Promise<Response>;
  get(path: string): Promise<Response>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  token(...scopes: ApiScope[]): Promise<string>;
  close(): Promise<void>;
}

export interface SiteOptions extends AppOptions {
  readonly hooks?: readonly Hook[];
  readonly workflows?: readonly Workflow<never, unknown, never, never>[];
  readonly worker?: boolean;
  readonly resume?: ResumeOptions;
  /** Stands between the engine and its log. */
  readonly over?: (store: LogStore) => LogStore;
}

export async function openSite(options: SiteOptions = {}): Promise<TestSite> {
  const {
    hooks = [],
    workflows = [echo, strict, sleepy, failing],
    worker = true,
    over,
    resume,
    ...appOptions
  } = options;
  const ports = realPorts();
  const store = memoryStore(ports.clock);
  const parts = { store: over?.(store) ?? store, ports, workflows, hooks };
  const engine = await createEngineOf(resume === undefined ? parts : { ...parts, resume });
  if (worker) await engine.work();
  const app = createApp(engine, appOptions);
  const token = async (...scopes: ApiScope[]) => (await engine.keys.create({ name: "test", scopes })).token;
  const all = await token("runs:read", "runs:write");
  const ask = async (path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${all}`, ...(init.headers as Record<string, string> | undefined) };
    return await app.request(path, { ...init, headers });
  };
  return {
    engine,
    store,
    app,
    lines: ports.lines,
    ask,
    get: async (path) => await ask(path),
    post: async (path, body, headers) =>
      await ask(path, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        headers: { "content-type": "application/json", ...headers },
      }),
    token,
    close: async () => await engine.close(),
  };
}

/** The problem that an answer is; fails for any other. */
export async function problemOf(response: Response): Promise<WireProblem> {
  const type = response.headers.get("content-type");
  if (type !== "application/problem+json") throw new Error(`no problem but ${response.status} ${type}`);
  const problem = (await response.json()) as WireProblem;
  if (problem.status !== response.status) throw new Error(`status ${response.status}, but the problem says otherwise`);
  return problem;
}
