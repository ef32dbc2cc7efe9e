import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@libsql/client/http";
import type { Engine } from "varve";
import { createEngine } from "varve/node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startHranaServer } from "../support/hrana-server.mjs";
import { ROOT } from "./bundle.ts";
import { collectEvidence, type Evidence, type Fact, type Ticked } from "./evidence.ts";
import { INPUT, OUTPUT } from "./example.ts";
import { bundleForWorkerd, startWorkerd, type Workerd } from "./workerd.ts";

const CACHE = join(ROOT, "node_modules/.cache");
const SECRET_BYTES = "a secret of twenty-seven ch.";
const SECRET = `whsec_${Buffer.from(SECRET_BYTES).toString("base64")}`;

let folder: string;
let server: Awaited<ReturnType<typeof startHranaServer>>;
let evidence: Evidence;
/** Sees the log from outside. */
let observer: Engine;
let running: Workerd[] = [];
let databases = 0;

beforeAll(async () => {
  mkdirSync(CACHE, { recursive: true });
  folder = mkdtempSync(join(CACHE, "varve-workerd-"));
  writeFileSync(join(folder, "worker.js"), await bundleForWorkerd("test/runtimes/on-workerd.ts"));
});

afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(async () => {
  server = await startHranaServer({ path: join(folder, `${++databases}.db`) });
  evidence = await collectEvidence();
  observer = await createEngine({ db: server.url, workflows: [], worker: false });
});

afterEach(async () => {
  for (const workerd of running) await workerd.kill();
  running = [];
  await observer.close();
  await evidence.close();
  await server.close();
});

/** Starts workerd with isolates of these names, over the one database. */
async function start(...isolates: string[]): Promise<Workerd> {
  const bindings = (name: string) => ({
    ISOLATE: name,
    DB_URL: server.url,
    EVIDENCE_URL: evidence.url,
    SECRET,
    WAITS: name.startsWith("careless") ? "no" : "yes",
  });
  const workerd = await startWorkerd(folder, Object.fromEntries(isolates.map((name) => [name, bindings(name)])));
  running.push(workerd);
  return workerd;
}

interface Asking extends RequestInit {
  readonly query?: Readonly<Record<string, string | number>>;
}

/** Asks an isolate. */
async function ask<T>(base: string, route: string, { query = {}, ...init }: Asking = {}): Promise<T> {
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
  );
  const response = await fetch(`${base}/${route}?${search}`, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${route} was answered with ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}

interface Started {
  readonly id: string;
  readonly created: boolean;
}

const startRun = (base: string, key: string) =>
  ask<Started>(base, "start", { query: { key }, method: "POST", body: JSON.stringify(INPUT) });

const tick = (base: string, budgetMs: number, init: RequestInit = {}) =>
  ask<Omit<Ticked, "told">>(base, "tick", { query: { budgetMs }, ...init });

const began = (key: string) => (fact: Fact) => fact.told === "begun" && fact.key === key;

/** Waits until the log has an event. */
async function logged(runId: string, type: string, key: string): Promise<void> {
  const end = new AbortController();
  for await (const event of observer.tail({ runId, signal: end.signal })) {
    if (event.type === type && event.key === key) return;
  }
}

/** What the platform's alarm clock does: wakes again when the last tick said that something is due. */
async function wakeUntilIdle(wake: () => Promise<Omit<Ticked, "told">>): Promise<void> {
  for (;;) {
    const { more, nextAt } = await wake();
    if (!more && nextAt === null) return;
    const waitMs = more || nextAt === null ? 0 : Math.max(0, nextAt - Date.now());
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** Wakes an isolate by a cron event, and resolves with what its tick came to. */
async function wakeByCron(workerd: Workerd, isolate: string): Promise<Ticked> {
  const before = evidence.length;
  expect(await workerd.wake(isolate)).toBe("ok");
  return (await evidence.told((fact) => fact.told === "ticked", before)) as Ticked;
}

/** The row of a run. */
async function row(runId: string): Promise<Record<string, unknown>> {
  const client = createClient({ url: server.url });
  const { rows } = await client.execute({
    sql: "SELECT status, owner, unclean, available_at <= unixepoch('subsec') * 1000 AS due FROM runs WHERE id = ?",
    args: [runId],
  });
  client.close();
  return { ...rows[0] };
}

const ONCE = ["load #1", "label-1 #1", "label-3 #1", "price/net #1", "charge #1", "charge #2"];

describe("inside workerd", () => {
  it("a run that ticks carry goes on after SIGKILL in another isolate, and no recorded step runs again", async () => {
    evidence.hold("label-2");
    const one = await start("one");
    const { id, created } = await startRun(one.url("one"), "the-run");
    expect(created).toBe(true);
    // By a request, which is killed in a body.
    const first = tick(one.url("one"), 3_000).catch((error: Error) => error);
    await evidence.told(began("label-2"));
    await Promise.all(["label-1", "label-3"].map((key) => logged(id, "step.completed", key)));
    await one.kill();
    expect(await first).toBeInstanceOf(Error);
    expect(await row(id)).toMatchObject({ status: "running", unclean: 0 });

    // By cron events: the first finds the run in the hands of the dead, and says when their lease ends.
    evidence.hold("price/tax");
    evidence.release("label-2");
    const two = await start("two");
    const { nextAt, more } = await wakeByCron(two, "two");
    expect(more).toBe(false);
    expect(nextAt).not.toBeNull();
    const second = wakeUntilIdle(() => wakeByCron(two, "two")).catch((error: Error) => error);
    await evidence.told(began("price/tax"));
    await logged(id, "step.completed", "price/net");
    await two.kill();
    expect(await second).toBeInstanceOf(Error);

    evidence.release("price/tax");
    const three = await start("three");
    expect(await startRun(three.url("three"), "the-run")).toEqual({ id, created: false });
    await wakeUntilIdle(() => tick(three.url("three"), 3_000));
    expect(await ask(three.url("three"), "result", { query: { id } })).toEqual(OUTPUT);
    expect(evidence.begun).toEqual([...ONCE, "label-2 #1", "label-2 #2", "price/tax #1", "price/tax #2"].sort());
    expect(three.stderr).toBe("");
  }, 60_000);

  it("a tick that runs out of its budget hands its runs back, and that is no unclean claim", async () => {
    evidence.hold("label-2");
    const workerd = await start("app");
    const app = workerd.url("app");
    const { id } = await startRun(app, "the-run");
    const ticked = await tick(app, 1_000);
    expect(ticked.more).toBe(true);
    expect(await row(id)).toEqual({ status: "pending", owner: null, unclean: 0, due: 1 });
    // What still ran was let go of with the request.
    await evidence.told((fact) => fact.told === "cut-off" && fact.key === "label-2");
    const interrupted = (await observer.history(id)).filter(({ type }) => type === "attempt.interrupted");
    expect(interrupted).toMatchObject([{ key: "label-2", attempt: 1, data: { reason: "stopped" } }]);

    evidence.release("label-2");
    await wakeUntilIdle(() => tick(app, 3_000));
    expect(await ask(app, "result", { query: { id } })).toEqual(OUTPUT);
    expect(evidence.begun).toEqual([...ONCE, "label-2 #1", "label-2 #2", "price/tax #1"].sort());
  });

  it("50 requests at once on one engine do not wait for each other, nor for one whose client hangs up", async () => {
    evidence.hold("load");
    evidence.hold("hang-up");
    const workerd = await start("careless");
    const app = workerd.url("careless");
    const times = <T>(count: number, make: (i: number) => Promise<T>) =>
      Array.from({ length: count }, (_, i) => make(i));
    const early = await Promise.all(times(10, (i) => startRun(app, `early-${i}`)));
    // A tick that has claimed these ten, and will be cut off.
    const cutOff = workerd.askAndHangUp("careless", "/tick?budgetMs=3000");
    await evidence.told(began("load"));

    // These have to wait: for runs to end, for bodies to end.
    const results = early.map(({ id }) => ask(app, "result", { query: { id } }));
    const starts = times(10, (i) => startRun(app, `late-${i}`));
    const ticks = times(10, () => tick(app, 3_000));
    // These have not, and are answered at once.
    const states = early.map(({ id }) => ask<{ status: string }>(app, "status", { query: { id } }));
    const deliveries = times(10, () => deliver(app, "delivery-1"));
    expect((await Promise.all(states)).map(({ status }) => status)).toEqual(early.map(() => "running"));
    const late = await Promise.all(starts);
    expect(new Set([...early, ...late].map(({ id }) => id)).size).toBe(20);
    // The same delivery ten times at once is one run.
    const delivered = await Promise.all(deliveries);
    expect(new Set(delivered.map(({ id }) => id)).size).toBe(1);
    expect(delivered.filter(({ created }) => created)).toHaveLength(1);

    evidence.release("hang-up");
    expect(await cutOff).toBe("hung up");
    await evidence.told((fact) => fact.told === "cut-off" && fact.key === "load");
    evidence.release("load");
    await Promise.all(ticks);
    await wakeUntilIdle(() => tick(app, 3_000));
    expect(await Promise.all(results)).toEqual(early.map(() => OUTPUT));
    const { runs } = await ask<{ runs: { status: string }[] }>(app, "list");
    expect(runs.map(({ status }) => status)).toEqual(Array.from({ length: 21 }, () => "completed"));
    // Here workerd says what it cancels, and what was awaited across requests.
    expect(workerd.stderr).toBe("");
  }, 60_000);

  it("a request that does wait for another's fails when that one ends: this is what must not happen", async () => {
    evidence.hold("shared");
    evidence.hold("hang-up");
    const workerd = await start("app");
    const sharing = workerd.askAndHangUp("app", "/share");
    await evidence.told(began("shared"));
    const waiting = ask(workerd.url("app"), "sharing").then(String, String);
    await ask(workerd.url("app"), "list");
    evidence.release("hang-up");
    expect(await sharing).toBe("hung up");
    expect(await waiting).toMatch(/created by a request that has since ended, so it can never settle/);
  });

  it("a client that hangs up during a tick leaves no run to wait for a lease, given waitUntil", async () => {
    evidence.hold("label-2");
    evidence.hold("hang-up");
    const workerd = await start("app");
    const app = workerd.url("app");
    const { id } = await startRun(app, "the-run");
    const ticking = workerd.askAndHangUp("app", "/tick?budgetMs=20000");
    await evidence.told(began("label-2"));
    evidence.release("hang-up");
    expect(await ticking).toBe("hung up");
    evidence.release("label-2");
    // The tick goes on to its end: the run waits for its timer, and is nobody's.
    await logged(id, "timer.armed", "cool-off");
    await wakeUntilIdle(() => tick(app, 3_000));
    expect(await ask(app, "result", { query: { id } })).toEqual(OUTPUT);
    expect(evidence.begun).toEqual([...ONCE, "label-2 #1", "price/tax #1"].sort());
    expect(workerd.stderr).toBe("");
  });

  it("without waitUntil such a client leaves the run with the dead: the next tick says when their lease ends", async () => {
    evidence.hold("label-2");
    evidence.hold("hang-up");
    const workerd = await start("careless");
    const careless = workerd.url("careless");
    const { id } = await startRun(careless, "the-run");
    const ticking = workerd.askAndHangUp("careless", "/tick?budgetMs=20000");
    await evidence.told(began("label-2"));
    evidence.release("hang-up");
    expect(await ticking).toBe("hung up");
    await evidence.told((fact) => fact.told === "cut-off" && fact.key === "label-2");
    const { more, nextAt } = await tick(careless, 1_000);
    expect(more).toBe(false);
    expect(nextAt).toBeGreaterThan(Date.now());
    expect(await row(id)).toMatchObject({ status: "running", unclean: 0, owner: expect.any(String) });
    // Other requests on that engine are not hurt.
    expect(await startRun(careless, "the-run")).toEqual({ id, created: false });
  });

  it("a drain comes after every queued microtask", async () => {
    const workerd = await start("app");
    const startedAt = performance.now();
    expect(await ask(workerd.url("app"), "drain", { query: { times: 2_000 } })).toBe(1_000);
    console.log(`workerd: a drain takes about ${(((performance.now() - startedAt) / 2_000) * 1_000).toFixed(1)} us`);
  });

  it("a tick that finds nothing to do costs two requests to the database: for runs, and for messages", async () => {
    const workerd = await start("app");
    await tick(workerd.url("app"), 1_000);
    const before = server.requests;
    expect(await tick(workerd.url("app"), 1_000)).toEqual({ more: false, nextAt: null });
    expect(server.requests - before).toBe(2);
  });
});

function deliver(base: string, id: string): Promise<Started> {
  const body = JSON.stringify(INPUT);
  const timestamp = Math.floor(Date.now() / 1_000);
  const mac = createHmac("sha256", Buffer.from(SECRET_BYTES)).update(`${id}.${timestamp}.${body}`).digest("base64");
  const headers = { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": `v1,${mac}` };
  return ask<Started>(base, "deliver", { method: "POST", headers, body });
}
