/** The client against the app itself: what the engine's interface promises holds over HTTP. */
import { type Engine, isVarveError, RunFailedError, TerminalError, workflow } from "varve";
import { createClient } from "varve/client";
import { createApp } from "varve/http";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { type Client, createClientOf } from "../../src/client/client.ts";
import { FAILURES_MAX } from "../../src/client/patience.ts";
import type { Fetch } from "../../src/client/request.ts";
import { createEngineOf } from "../../src/engine/engine.ts";
import type { RunEvent } from "../../src/kernel/events.ts";
import type { Clock } from "../../src/kernel/ports.ts";
import { memoryStore } from "../../src/log/memory.ts";
import { realPorts } from "../support/ports.ts";

const rich = workflow(
  { name: "rich", input: z.object({ at: z.date(), tags: z.set(z.string()) }) },
  async (ctx, input) => {
    const seen = await ctx.step("look", () => new Map([["year", input.at.getUTCFullYear()]]));
    return { seen, size: BigInt(input.tags.size), nothing: undefined };
  },
);
const refuse = workflow({ name: "refuse" }, async (ctx) =>
  ctx.step("look", () => {
    throw new TerminalError("no such order", { code: "NO_ORDER" });
  }),
);
const sleep = workflow({ name: "sleep" }, async (ctx, ms: number) => {
  await ctx.sleep("long", ms);
  return "slept";
});

const ask = workflow({ name: "ask", signals: { approval: z.object({ at: z.date() }) } }, async (ctx) =>
  ctx.waitFor("approval"),
);
const waitsFor = workflow({ name: "waits-for" }, async (ctx, name: string) => ctx.waitFor(name));
const family = workflow({ name: "family" }, async (ctx) => {
  await ctx.start(sleep, 60_000, { key: "one" });
  await ctx.start(sleep, 60_000, { key: "two" });
});

let isBroken = true;
const brittle = workflow({ name: "brittle" }, async (ctx) =>
  ctx.step("try", () => (isBroken ? Promise.reject(new TerminalError("broken")) : "mended")),
);

const INPUT = { at: new Date(0), tags: new Set(["a", "b"]) };

/** Time stands still but for timers, which are over at once: what would wait does not. */
const HASTY: Pick<Clock, "monotonic" | "timer"> = {
  monotonic: () => performance.now(),
  timer: (ms, fn) => {
    if (ms > 10_000) return () => {};
    const immediate = setImmediate(fn);
    return () => clearImmediate(immediate);
  },
};

let engine: Engine;
let token: string;
/** What the client sends goes through here. */
let send: Fetch;
let sent: { readonly url: string; readonly lastEventId: string | undefined }[];

beforeEach(async () => {
  const ports = realPorts();
  engine = await createEngineOf({
    store: memoryStore(ports.clock),
    ports,
    workflows: [rich, refuse, sleep, ask, waitsFor, family, brittle],
  });
  onTestFinished(() => engine.close({ deadline: 0 }));
  await engine.work();
  token = (await engine.keys.create({ name: "test", scopes: ["runs:read", "runs:write"] })).token;
  const app = createApp(engine);
  sent = [];
  send = async (url, init) => {
    sent.push({ url, lastEventId: init.headers["last-event-id"] });
    return await app.fetch(new Request(url, init as RequestInit));
  };
});

function client(options: { readonly fetch?: Fetch; readonly key?: string } = {}): Client {
  return createClientOf({ url: "http://varve.test/", key: token, fetch: send, clock: HASTY, ...options });
}

async function take(events: AsyncIterable<RunEvent>, count: number): Promise<RunEvent[]> {
  const taken: RunEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

/** The run may have come to its end by what it was told before. */
function endedBefore(error: Error & { readonly code?: string }): void {
  if (error.code !== "RUN_OVER") throw error;
}

async function thrown(promise: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  return await promise.then(
    () => expect.fail("it resolved"),
    (error: Error) => error,
  );
}

describe("a run over HTTP", () => {
  it("takes and gives values that JSON cannot say", async () => {
    const run = await client().start(rich, INPUT, { idempotencyKey: "k", tags: { team: "a" } });
    expect(run.created).toBe(true);
    expect(await run.result()).toEqual({ seen: new Map([["year", 1970]]), size: 2n, nothing: undefined });
    const again = await client().start(rich, INPUT, { idempotencyKey: "k" });
    expect({ id: again.id, created: again.created }).toEqual({ id: run.id, created: false });
  });

  it("stands as the engine says it does", async () => {
    const { id } = await client().start("rich", INPUT, { tags: { team: "a" } });
    await engine.run(id).result();
    expect(await client().run(id).status()).toEqual(await engine.run(id).status());
    const failed = await client().start(refuse, undefined);
    await thrown(failed.result());
    const [here, there] = [await engine.run(failed.id).status(), await failed.status()];
    expect(there).toEqual(here);
    expect(there.error).toMatchObject({ name: "StepFailedError", code: "STEP_FAILED" });
  });

  it("says what it waits for, as the engine does", async () => {
    const { id } = await client().start("rich", INPUT);
    const [here, there] = [await engine.run(id).why(), await client().run(id).why()];
    expect({ ...there, at: here.at }).toMatchObject({ runId: id, at: here.at });
    await engine.run(id).result();
    expect(await client().run(id).why()).toMatchObject({ status: "completed", waitsFor: [] });
    expect(await thrown(client().run("run_none").why())).toMatchObject({ code: "RUN_NOT_FOUND" });
  });

  it("can be held back by a queue, which is paused and resized over HTTP", async () => {
    expect(await client().queues.list()).toEqual([]);
    const none = { held: 0, waiting: 0 };
    const queue = { name: "a/b", concurrency: null, defined: null, paused: true, workers: 1 };
    const paused = { ...queue, ...none, steps: none };
    expect(await client().queues.pause("a/b")).toEqual(paused);
    expect(await client().queues.set("a/b", { concurrency: 2 })).toEqual({ ...paused, concurrency: 2 });
    expect(await engine.queues.list()).toEqual([{ ...paused, concurrency: 2 }]);
    expect(await client().queues.resume("a/b")).toMatchObject({ paused: false, concurrency: 2 });
    const error = await thrown(client().queues.set("a/b", { concurrency: 0 }));
    expect(error).toMatchObject({ code: "REQUEST_INVALID" });
  });

  it("has its whole history, also over several pages", async () => {
    const { id } = await client().start(rich, INPUT);
    await engine.run(id).result();
    const whole = await engine.history(id);
    expect(await client().history(id)).toEqual(whole);
    expect(await client().run(id).history({ afterSeq: 1, limit: 2 })).toEqual(whole.slice(1, 3));
  });

  it("that fails rejects with its error as the cause", async () => {
    const run = await client().start(refuse, undefined);
    const error = await thrown(run.result());
    expect(error).toBeInstanceOf(RunFailedError);
    expect(error).toMatchObject({ code: "RUN_FAILED", cause: { code: "STEP_FAILED", cause: { code: "NO_ORDER" } } });
  });

  it("is cancelled, and says why", async () => {
    const run = await client().start(sleep, 60_000);
    await run.cancel({ reason: "not needed" });
    expect(await thrown(run.result())).toMatchObject({ code: "RUN_CANCELLED", facts: { reason: "not needed" } });
    expect(await run.status()).toMatchObject({ status: "cancelled", cancelReason: "not needed" });
  });

  it("is waited for no longer than asked", async () => {
    const run = await client().start(sleep, 60_000);
    expect(await thrown(run.result({ timeout: 20 }))).toMatchObject({ name: "TimeoutError", code: "RESULT_TIMEOUT" });
    const stop = new AbortController();
    const waiting = thrown(run.result({ signal: stop.signal }));
    stop.abort(new Error("enough"));
    expect((await waiting).message).toBe("enough");
  });

  it("is waited for across requests that the server cannot answer", async () => {
    const run = await client().start(sleep, 200);
    let failures = 3;
    const fetch: Fetch = async (url, init) => {
      if (failures-- > 0) throw new TypeError("fetch failed");
      return await send(url, init);
    };
    expect(await client({ fetch }).run(sleep, run.id).result()).toBe("slept");
  });
});

describe("what a run is told over HTTP", () => {
  it("is a signal, with values that JSON cannot say, once under a key", async () => {
    const run = await client().start(ask, undefined);
    const at = new Date(7);
    for (const each of [at, new Date(8)]) {
      await client().run(ask, run.id).signal("approval", { at: each }, { dedupeKey: "click" }).catch(endedBefore);
    }
    expect(await run.result()).toEqual({ at });
    const received = (await run.history()).filter(({ type }) => type === "signal.received");
    expect(received).toHaveLength(1);
  });

  it.each([".", ".."])("may not be called %s, which no address can hold: here and in the engine", async (name) => {
    const run = await client().start(sleep, 60_000);
    for (const told of [run.signal(name, 1), engine.run(run.id).signal(name, 1)]) {
      expect(await thrown(told)).toMatchObject({
        code: "NAME_INVALID",
        message: expect.stringContaining("steps of a path"),
      });
    }
    expect(() => workflow({ name: "w", signals: { [name]: z.string() } }, async () => {})).toThrow(/steps of a path/);
    expect(() => client().run(name)).toThrow(/steps of a path/);
    await expect(engine.start(waitsFor, name).then((waiting) => waiting.result())).rejects.toThrow(/steps of a path/);
  });

  it.each(["...", "a/b", "/", "./..", "%2e%2e", "a//b/", "\\", "?", "#x", " "])("may be called %j", async (name) => {
    const run = await client().start(waitsFor, name);
    await run.signal(name, 7);
    expect(await run.result({ timeout: "5s" })).toBe(7);
  });

  it("may have any name and say nothing", async () => {
    const run = await client().start(sleep, 60_000);
    await run.signal("odd/name %?#", undefined);
    for await (const event of client().tail({ runId: run.id })) if (event.type === "signal.received") break;
    const received = (await run.history()).flatMap((event) => (event.type === "signal.received" ? [event.data] : []));
    expect(received).toMatchObject([{ name: "odd/name %?#", payload: { value: null, meta: [[[], "undefined"]] } }]);
  });

  it.each([
    { title: "a payload that does not fit", name: "approval", payload: { at: 1 }, code: "SIGNAL_INVALID" },
    { title: "an undeclared name", name: "aproval", payload: null, code: "SIGNAL_UNKNOWN" },
    { title: "a name that is none", name: "", payload: null, code: "NAME_INVALID" },
    { title: "a name with a lone surrogate", name: "\ud800", payload: null, code: "NAME_INVALID" },
  ])("is refused with its class and code: $title", async ({ name, payload, code }) => {
    const run = await client().start("ask");
    const error = await thrown(run.signal(name, payload));
    expect(error).toMatchObject({ name: code === "SIGNAL_INVALID" ? "ValidationError" : "DefinitionError", code });
    if (code === "SIGNAL_INVALID") expect(error).toMatchObject({ facts: { issues: [{ path: "$.at" }] } });
  });

  it("is to hold and to go on", async () => {
    const run = await client().start(ask, undefined);
    await run.pause({ reason: "a look" });
    await expect.poll(async () => (await run.status()).status).toBe("paused");
    await run.signal("approval", { at: new Date(0) });
    await run.resume();
    expect(await run.result()).toEqual({ at: new Date(0) });
  });

  it("is to end, with a reason", async () => {
    const run = await client().start(sleep, 60_000);
    await run.terminate({ reason: "enough" });
    expect(await thrown(run.result())).toMatchObject({ code: "RUN_CANCELLED", facts: { reason: "enough" } });
    for (const told of [run.terminate(), run.pause(), run.resume(), run.signal("x", 1)])
      expect(await thrown(told)).toMatchObject({ name: "ConflictError", code: "RUN_OVER" });
  });

  it("is to try again where it failed", async () => {
    isBroken = true;
    const run = await client().start(brittle, undefined);
    await thrown(run.result());
    isBroken = false;
    await run.retry();
    expect(await run.result()).toBe("mended");
    expect(await thrown(run.retry())).toMatchObject({ name: "ConflictError", code: "RUN_NOT_OVER" });
  });

  it("is to run again, with its own input or another, once under a key", async () => {
    const run = await client().start(rich, INPUT);
    await run.result();
    const same = await run.rerun();
    expect(await same.result()).toEqual(await run.result());
    const options = { input: { at: new Date(1e12), tags: new Set() }, idempotencyKey: "again" };
    const other = await run.rerun(options);
    expect(other.created).toBe(true);
    expect(await other.result()).toEqual({ seen: new Map([["year", 2001]]), size: 0n, nothing: undefined });
    expect(await run.rerun(options)).toMatchObject({ id: other.id, created: false });
    expect(await thrown(run.rerun({ input: undefined }))).toMatchObject({ code: "INPUT_INVALID" });
  });

  it("is told to many at once, and what came of it", async () => {
    const runs = [];
    for (const team of ["a", "b", "a"]) runs.push(await client().start(sleep, 60_000, { tags: { team } }));
    const [one, two, three] = runs.map(({ id }) => id);
    expect(await client().bulk("pause", { tags: { team: "a" }, limit: 1 })).toEqual({
      done: 1,
      skipped: 0,
      more: true,
    });
    const since = { createdFrom: new Date(0), createdBefore: Date.now() + 60_000 };
    const done = await client().bulk("terminate", { tags: { team: "a" }, reason: "all", ...since });
    expect(done).toEqual({ done: 2, skipped: 0, more: false });
    for (const id of [one, three])
      expect(await thrown(client().run(String(id)).result())).toMatchObject({ facts: { reason: "all" } });
    expect((await client().run(String(two)).status()).endedAt).toBe(null);
    expect(await client().bulk("cancel", { ids: [String(one), String(two)] })).toEqual({
      done: 1,
      skipped: 1,
      more: false,
    });
    expect(await thrown(client().bulk("explode" as never, {}))).toMatchObject({ code: "REQUEST_INVALID" });
  });

  it("finds the runs that a run has started", async () => {
    const run = await client().start(family, undefined);
    await run.result();
    const { runs } = await client().list({ parentId: run.id });
    expect(runs.map(({ parentId, workflow }) => [parentId, workflow])).toEqual([
      [run.id, "sleep"],
      [run.id, "sleep"],
    ]);
    expect(await client().bulk("terminate", { parentId: run.id })).toMatchObject({ done: 2 });
  });
});

describe("lists over HTTP", () => {
  it("filter and go on from a cursor as the engine's do", async () => {
    for (const team of ["a", "b", "a"]) await (await client().start(rich, INPUT, { tags: { team } })).result();
    const failed = await client().start(refuse, undefined, { idempotencyKey: "bad key/&?" });
    await thrown(failed.result());
    expect((await client().list({ tags: { team: "a" } })).runs).toHaveLength(2);
    expect((await client().list({ status: ["failed", "stuck"] })).runs.map(({ id }) => id)).toEqual([failed.id]);
    expect((await client().list({ idempotencyKey: "bad key/&?" })).runs).toHaveLength(1);
    expect((await client().list({ createdBefore: new Date(0) })).runs).toEqual([]);
    const first = await client().list({ limit: 3 });
    const rest = await client().list({ limit: 3, cursor: String(first.cursor) });
    expect([...first.runs, ...rest.runs]).toEqual((await engine.list()).runs);
    expect(rest.cursor).toBe(null);
  });

  it("tell the workflows", async () => {
    expect(await client().workflows()).toEqual(engine.workflows());
  });
});

describe("the log over HTTP", () => {
  it("is told as it grows, from a position on", async () => {
    await (await client().start(rich, INPUT)).result();
    const after = await client().lastPosition();
    expect(after).toBe(await engine.lastPosition());
    const told = take(client().tail({ after }), 2);
    const { id } = await client().start(rich, INPUT);
    expect((await told).map(({ runId, type }) => [runId, type])).toEqual([
      [id, "run.created"],
      [id, "attempt.started"],
    ]);
  });

  it("of one run ends with the run", async () => {
    const { id } = await client().start(sleep, 30);
    const events: RunEvent[] = [];
    for await (const event of client().tail({ runId: id })) events.push(event);
    expect(events).toEqual(await engine.history(id));
  });

  it("misses nothing and repeats nothing when every connection breaks after one event", async () => {
    const { id } = await client().start(rich, INPUT);
    await engine.run(id).result();
    const fetch: Fetch = async (url, init) => cutAfterFirst(await send(url, init));
    const events: RunEvent[] = [];
    for await (const event of client({ fetch }).tail({ runId: id })) events.push(event);
    expect(events).toEqual(await engine.history(id));
    const asked = sent.filter(({ lastEventId }) => lastEventId !== undefined).map(({ lastEventId }) => lastEventId);
    expect(asked).toEqual(["0", ...events.map(({ position }) => String(position))]);
  });

  it("ends when its signal is aborted", async () => {
    const stop = new AbortController();
    const ended = (async () => {
      for await (const _ of client().tail({ signal: stop.signal })) stop.abort();
    })();
    await client().start(sleep, 60_000);
    await expect(ended).resolves.toBeUndefined();
  });

  it("is given up when the server stays away", async () => {
    let attempts = 0;
    const fetch: Fetch = async () => {
      attempts++;
      throw new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") });
    };
    const error = await thrown(take(client({ fetch }).tail(), 1));
    expect(error).toMatchObject({ code: "SERVER_UNREACHABLE", message: expect.stringContaining("ECONNREFUSED") });
    expect(attempts).toBe(FAILURES_MAX);
  });

  it("is asked for once when it is refused", async () => {
    const error = await thrown(take(client({ key: "varve_no" }).tail(), 1));
    expect(error).toMatchObject({ code: "UNAUTHENTICATED" });
    expect(sent).toHaveLength(1);
  });
});

describe("a refusal", () => {
  it.each([
    {
      title: "no such run",
      ask: (it: Client) => it.run("run_none").status(),
      name: "NotFoundError",
      code: "RUN_NOT_FOUND",
    },
    {
      title: "no such workflow",
      ask: (it: Client) => it.start("none"),
      name: "NotFoundError",
      code: "WORKFLOW_UNKNOWN",
    },
    {
      title: "a wrong input",
      ask: (it: Client) => it.start("rich", { at: 1 }),
      name: "ValidationError",
      code: "INPUT_INVALID",
    },
    {
      title: "a wrong limit",
      ask: (it: Client) => it.list({ limit: 0 }),
      name: "ValidationError",
      code: "REQUEST_INVALID",
    },
  ])("is an error of its class and code: $title", async ({ ask, name, code }) => {
    const error = await thrown(ask(client()));
    expect(error).toMatchObject({ name, code });
    expect(isVarveError(error)).toBe(true);
  });

  it("of another input under a used key is a ConflictError with its facts", async () => {
    const run = await client().start(sleep, 60_000, { idempotencyKey: "k" });
    const error = await thrown(client().start(sleep, 5, { idempotencyKey: "k" }));
    expect(error).toMatchObject({ name: "ConflictError", code: "IDEMPOTENCY_CONFLICT", facts: { runId: run.id } });
  });

  it.each([
    { title: "a page of HTML", answer: () => new Response("<html>", { status: 502 }), code: "SERVER_ANSWER_UNKNOWN" },
    {
      title: "JSON of another kind",
      answer: () => Response.json({ error: "x" }, { status: 400 }),
      code: "SERVER_ANSWER_UNKNOWN",
    },
    { title: "JSON that is null", answer: () => Response.json(null, { status: 404 }), code: "SERVER_ANSWER_UNKNOWN" },
    { title: "no JSON with 200", answer: () => new Response("ok"), code: "SERVER_ANSWER_UNKNOWN" },
  ])("that is no problem document is a StoreError: $title", async ({ answer, code }) => {
    const fetch: Fetch = async () => answer();
    expect(await thrown(client({ fetch }).run("r").status())).toMatchObject({ name: "StoreError", code });
  });

  it("of a server that closes down is a StoreError that may pass", async () => {
    const problem = { code: "ENGINE_CLOSED", detail: "ask again", status: 503 };
    const fetch: Fetch = async () => Response.json(problem, { status: 503 });
    const error = await thrown(client({ fetch }).lastPosition());
    expect(error).toMatchObject({ name: "StoreError", code: "ENGINE_CLOSED", facts: { retry: true } });
  });

  it.each(["", "varve.test", "ftp://varve.test", "http://varve.test?x=1", "http://varve.test#x"])(
    "of an address that is none comes at once: %j",
    (url) => {
      expect(() => createClient({ url })).toThrow(expect.objectContaining({ code: "URL_INVALID" }));
    },
  );

  it("of a key or a password that cannot be sent comes at once, and does not show it", () => {
    for (const options of [{ url: "http://me:c4n4ry@varve.test" }, { url: "http://varve.test", key: "c4n4ry\nx" }]) {
      const message = expect.not.stringContaining("c4n4ry");
      expect(() => createClient(options)).toThrow(expect.objectContaining({ message }));
    }
  });
});

it("the app may be mounted under a path", async () => {
  const urls: string[] = [];
  const fetch: Fetch = async (url) => {
    urls.push(url);
    return Response.json({ lastPosition: 7 });
  };
  const mounted = createClientOf({ url: "https://example.org/varve//", fetch, clock: HASTY });
  expect(await mounted.lastPosition()).toBe(7);
  expect(urls).toEqual(["https://example.org/varve/api/v1/log"]);
});

/** An answer whose connection breaks after its first event. */
function cutAfterFirst(response: Response): Response {
  if (response.body === null) return response;
  const reader = response.body.getReader();
  let isCut = false;
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      if (isCut) {
        await reader.cancel();
        return controller.error(new TypeError("terminated"));
      }
      const { done, value } = await reader.read();
      if (done) return controller.close();
      isCut = new TextDecoder().decode(value).includes("data:");
      controller.enqueue(value);
    },
  });
  return new Response(body, { status: response.status, headers: response.headers });
}
