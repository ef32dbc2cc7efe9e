import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { workflow } from "../../src/ctx/workflow.ts";
import type { WireBulkResult, WireRun, WireRunPage, WireStartedRun } from "../../src/http/wire.ts";
import { encodePayload } from "../../src/kernel/codec.ts";
import { INBOX_ROWS_MAX } from "../../src/log/port-inbox.ts";
import { echo, failing, openSite, problemOf, sleepy, strict, type TestSite } from "./site.ts";

const approval = z.object({ by: z.string(), at: z.date().optional() });

/** Comes to the first approval that it is sent. */
const asking = workflow({ name: "asking", signals: { approval, "odd/name %": z.unknown() } }, async (ctx) => ({
  approval: await ctx.waitFor("approval"),
  odd: await ctx.waitFor("odd/name %", { timeout: 1 }),
}));

let fails = true;

/** Fails until it is mended. */
const brittle = workflow({ name: "brittle" }, async (ctx) => {
  const check = () => (fails ? Promise.reject(new Error("not yet")) : "mended");
  return await ctx.step("check", check, { retry: { attempts: 1 } });
});

const family = workflow({ name: "family" }, async (ctx) => await ctx.child(echo, "of a child"));

const workflows = [echo, strict, sleepy, failing, asking, brittle, family];

let site: TestSite;
beforeAll(async () => {
  site = await openSite({ workflows });
});
afterAll(async () => await site.close());

const place = (id: string, rest = "") => `/api/v1/runs/${id}${rest}`;

async function started(workflow: string, more: object = {}): Promise<string> {
  const response = await site.post("/api/v1/runs", { workflow, ...more });
  expect(response.status).toBe(201);
  return ((await response.json()) as WireStartedRun).id;
}

async function ended(id: string): Promise<WireRun> {
  const response = await site.get(place(id, "/result"));
  expect(response.status).toBe(200);
  return (await response.json()) as WireRun;
}

/** Waits for an event of the run. */
async function happened(id: string, type: string): Promise<void> {
  const stop = new AbortController();
  for await (const event of site.engine.tail({ runId: id, signal: stop.signal })) {
    if (event.type === type) stop.abort();
  }
}

const signals = async (id: string) =>
  (await site.engine.history(id)).flatMap((event) => (event.type === "signal.received" ? [event.data] : []));

describe("a signal", () => {
  test("is answered 202 when it is durable, and comes to the code as it was sent", async () => {
    const id = await started("asking");
    const { value: payload, meta: payloadMeta } = encodePayload({ by: "ada", at: new Date(7) });
    const response = await site.post(place(id, "/signals/approval"), { payload, payloadMeta });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ id });
    expect(await ended(id)).toMatchObject({
      output: { approval: { by: "ada", at: new Date(7).toISOString() }, odd: null },
    });
  });

  test("has its name in the path, whatever it is", async () => {
    const id = await started("asking");
    const response = await site.post(place(id, `/signals/${encodeURIComponent("odd/name %")}`), { payload: 1 });
    expect(response.status).toBe(202);
    await happened(id, "signal.received");
    expect(await signals(id)).toMatchObject([{ name: "odd/name %", payload: { value: 1 } }]);
    await site.post(place(id, "/terminate"), {});
  });

  test("may say nothing", async () => {
    const id = await started("sleepy");
    expect((await site.post(place(id, "/signals/anything"), {})).status).toBe(202);
    await happened(id, "signal.received");
    expect(await signals(id)).toMatchObject([
      { name: "anything", payload: { value: null, meta: [[[], "undefined"]] } },
    ]);
  });

  test("with the same key comes once, by body or by header", async () => {
    const id = await started("sleepy");
    const send = async (body: object, headers?: Record<string, string>) =>
      (await site.post(place(id, "/signals/x"), body, headers)).status;
    expect(await send({ payload: 1, dedupeKey: "k" })).toBe(202);
    expect(await send({ payload: 2 }, { "idempotency-key": "k" })).toBe(202);
    expect(await send({ payload: 3, dedupeKey: "k" }, { "idempotency-key": "k" })).toBe(202);
    expect(await send({ payload: 4, dedupeKey: "k" }, { "idempotency-key": "other" })).toBe(400);
    expect(await send({ payload: 5 }, { "idempotency-key": "" })).toBe(400);
    expect(await send({ payload: 6 })).toBe(202);
    await happened(id, "signal.received");
    await expect.poll(() => signals(id)).toHaveLength(2);
    expect((await signals(id)).map(({ payload }) => payload.value)).toEqual([1, 6]);
  });

  test.each([
    ["a payload that does not fit", "approval", { payload: { by: 7 } }, "SIGNAL_INVALID", 400],
    ["no payload where one is needed", "approval", {}, "SIGNAL_INVALID", 400],
    ["a name that is not declared", "aproval", { payload: { by: "ada" } }, "SIGNAL_UNKNOWN", 400],
    ["a name of the prototype", "constructor", { payload: 1 }, "SIGNAL_UNKNOWN", 400],
    ["a name with NUL", "a%00b", {}, "REQUEST_INVALID", 400],
    ["a name that is too long", "x".repeat(257), {}, "REQUEST_INVALID", 400],
    ["an unknown field", "approval", { payload: { by: "ada" }, dedupKey: "k" }, "REQUEST_INVALID", 400],
    ["meta without a payload", "approval", { payloadMeta: [] }, "REQUEST_INVALID", 400],
    ["meta of no place", "approval", { payload: {}, payloadMeta: [[["a"], "date"]] }, "PAYLOAD_CORRUPT", 422],
    [
      "a payload above the log's limit",
      "odd%2Fname%20%25",
      { payload: "x".repeat(1_100_000) },
      "PAYLOAD_TOO_LARGE",
      413,
    ],
    ["no object", "approval", "[]", "REQUEST_INVALID", 400],
    ["no JSON", "approval", "{", "JSON_INVALID", 400],
  ])("with %s is refused, and the run is told nothing", async (_what, name, body, code, status) => {
    const id = await started("asking");
    const problem = await problemOf(await site.post(place(id, `/signals/${name}`), body));
    expect(problem).toMatchObject({ code, status });
    if (code === "SIGNAL_INVALID")
      expect(problem.facts).toMatchObject({ issues: [{ path: expect.stringMatching(/^\$/) }] });
    expect(await site.store.readInbox([id])).toEqual([]);
    expect(await signals(id)).toEqual([]);
    await site.post(place(id, "/terminate"), {});
  });

  test("to a run that is not there is 404, to one that has ended 409", async () => {
    expect(await problemOf(await site.post(place("run_x", "/signals/x"), {}))).toMatchObject({
      status: 404,
      code: "RUN_NOT_FOUND",
    });
    const id = await started("echo", { input: 1 });
    await ended(id);
    expect(await problemOf(await site.post(place(id, "/signals/x"), {}))).toMatchObject({
      status: 409,
      code: "RUN_OVER",
    });
  });

  test("is 429 when too many messages wait for the run", async () => {
    const idle = await openSite({ workflows, worker: false });
    const { id } = await idle.engine.start(sleepy, null);
    await Promise.all(Array.from({ length: INBOX_ROWS_MAX }, (_, i) => idle.engine.run(id).signal("x", i)));
    const problem = await problemOf(await idle.post(place(id, "/signals/x"), {}));
    expect(problem).toMatchObject({ status: 429, code: "INBOX_FULL" });
    await idle.close();
  });
});

describe("a run", () => {
  test("is paused and goes on, with the signals that came meanwhile", async () => {
    const id = await started("asking");
    expect((await site.post(place(id, "/pause"), { reason: "a look" })).status).toBe(202);
    await happened(id, "run.paused");
    expect(await site.post(place(id, "/signals/approval"), { payload: { by: "ada" } })).toMatchObject({ status: 202 });
    expect(await (await site.get(place(id))).json()).toMatchObject({ status: "paused" });
    const resumed = await site.post(place(id, "/resume"), {});
    expect([resumed.status, await resumed.json()]).toEqual([202, { id }]);
    expect(await ended(id)).toMatchObject({ status: "completed", output: { approval: { by: "ada" } } });
  });

  test("is terminated with its reason", async () => {
    const id = await started("sleepy");
    expect((await site.post(place(id, "/terminate"), { reason: "enough" })).status).toBe(202);
    expect(await ended(id)).toMatchObject({ status: "cancelled", cancelReason: "enough" });
    const last = (await site.engine.history(id)).at(-1);
    expect(last).toMatchObject({ type: "run.cancelled", data: { terminated: true } });
  });

  test("that failed goes on by retry, and only such a one", async () => {
    const id = await started("brittle");
    expect(await ended(id)).toMatchObject({ status: "failed" });
    fails = false;
    const retried = await site.post(place(id, "/retry"), {});
    expect([retried.status, await retried.json()]).toEqual([202, { id }]);
    expect(await ended(id)).toMatchObject({ status: "completed", output: "mended" });
    expect(await problemOf(await site.post(place(id, "/retry"), {}))).toMatchObject({
      status: 409,
      code: "RUN_NOT_OVER",
    });
  });

  test("is run again with its own input, with another, and once under a key", async () => {
    const id = await started("strict", { input: { id: "a" }, tags: { team: "x" } });
    const again = async (body: object, headers?: Record<string, string>) => {
      const response = await site.post(place(id, "/rerun"), body, headers);
      const run = (await response.json()) as WireStartedRun;
      const at = new URL(response.headers.get("location") ?? "", `http://x/varve${place(id, "/rerun")}`).pathname;
      expect(at).toBe(`/varve${place(run.id)}`);
      return { status: response.status, ...run };
    };
    const same = await again({});
    expect(same).toMatchObject({ status: 201, created: true });
    expect(await ended(same.id)).toMatchObject({ output: "a", tags: { team: "x" } });
    const other = await again({ input: { id: "b" }, idempotencyKey: "again" });
    expect(await ended(other.id)).toMatchObject({ output: "b", idempotencyKey: "again" });
    expect(await again({ input: { id: "b" } }, { "idempotency-key": "again" })).toEqual({
      status: 200,
      id: other.id,
      created: false,
    });
    for (const [body, code, status] of [
      [{ input: { id: 7 } }, "INPUT_INVALID", 422],
      [{ input: { id: "c" }, idempotencyKey: "again" }, "IDEMPOTENCY_CONFLICT", 409],
      [{ inputMeta: [] }, "REQUEST_INVALID", 400],
      [{ workflow: "echo" }, "REQUEST_INVALID", 400],
    ] as const) {
      expect(await problemOf(await site.post(place(id, "/rerun"), body))).toMatchObject({ code, status });
    }
  });

  test("that is not there is 404 for each of them, and what they do not know is refused", async () => {
    const id = await started("sleepy");
    for (const verb of ["cancel", "terminate", "pause", "resume", "retry", "rerun"]) {
      expect(await problemOf(await site.post(place("run_x", `/${verb}`), {})), verb).toMatchObject({
        status: 404,
        code: "RUN_NOT_FOUND",
      });
      expect(await problemOf(await site.post(place(id, `/${verb}`), { force: true })), verb).toMatchObject({
        status: 400,
        code: "REQUEST_INVALID",
      });
      expect((await site.get(place(id, `/${verb}`))).status, verb).toBe(405);
    }
    expect((await site.engine.run(id).status()).status).not.toBe("cancelled");
  });
});

describe("bulk", () => {
  const bulk = async (body: object) => {
    const response = await site.post("/api/v1/runs/bulk", body);
    expect(response.status).toBe(200);
    return (await response.json()) as WireBulkResult;
  };

  test("does the same to all runs of a filter, and to those that are named", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push(await started("sleepy", { tags: { bulk: "yes" } }));
    const done = await started("echo", { input: 1, tags: { bulk: "yes" } });
    await ended(done);
    expect(await bulk({ action: "pause", tags: { bulk: "yes" }, limit: 2 })).toEqual({
      done: 2,
      skipped: 0,
      more: true,
    });
    expect(await bulk({ action: "resume", tags: { bulk: "yes" } })).toEqual({ done: 3, skipped: 0, more: false });
    expect(await bulk({ action: "terminate", ids: [...ids.slice(1), done, "run_x"], reason: "all" })).toEqual({
      done: 2,
      skipped: 2,
      more: false,
    });
    const [first = "", second = ""] = ids;
    expect(await ended(second)).toMatchObject({ status: "cancelled", cancelReason: "all" });
    expect(await bulk({ action: "cancel", status: ["waiting", "running", "pending"], tags: { bulk: "yes" } })).toEqual({
      done: 1,
      skipped: 0,
      more: false,
    });
    expect(await ended(first)).toMatchObject({ status: "cancelled" });
    expect(await bulk({ action: "retry", status: "cancelled", tags: { bulk: "yes" } })).toMatchObject({ done: 3 });
    expect(await bulk({ action: "terminate", tags: { bulk: "yes" } })).toMatchObject({ done: 3 });
  });

  test.each([
    ["no action", {}, "REQUEST_INVALID"],
    ["another action", { action: "delete" }, "REQUEST_INVALID"],
    ["a misspelt filter", { action: "cancel", workflw: "echo" }, "REQUEST_INVALID"],
    ["a wrong status", { action: "cancel", status: ["done"] }, "REQUEST_INVALID"],
    ["a wrong limit", { action: "cancel", limit: 0 }, "REQUEST_INVALID"],
    ["an empty id", { action: "cancel", ids: [""] }, "REQUEST_INVALID"],
    ["ids and a filter", { action: "cancel", ids: ["run_x"], workflow: "echo" }, "OPTION_INVALID"],
    ["a tag named __proto__", '{"action":"cancel","tags":{"__proto__":"x"}}', "REQUEST_INVALID"],
  ])("with %s is refused, and nothing is done", async (_what, body, code) => {
    const id = await started("sleepy");
    expect(await problemOf(await site.post("/api/v1/runs/bulk", body))).toMatchObject({ status: 400, code });
    expect(await site.store.readInbox([id])).toEqual([]);
  });
});

test("a run says who started it, and is listed so", async () => {
  const id = await started("family");
  expect(await ended(id)).toMatchObject({ output: "of a child", parentId: null });
  const { runs } = (await (await site.get(`/api/v1/runs?parentId=${id}`)).json()) as WireRunPage;
  expect(runs).toMatchObject([{ workflow: "echo", parentId: id, output: "of a child" }]);
  expect(await problemOf(await site.get("/api/v1/runs?parentId="))).toMatchObject({ code: "REQUEST_INVALID" });
});
