import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WireHistoryPage, WireRun, WireRunPage, WireStartedRun } from "../../src/http/wire.ts";
import { decodePayload, encodePayload, type Payload } from "../../src/kernel/codec.ts";
import { openSite, problemOf, type TestSite } from "./site.ts";

let site: TestSite;
beforeAll(async () => {
  site = await openSite();
});
afterAll(async () => await site.close());

async function started(body: object): Promise<string> {
  const response = await site.post("/api/v1/runs", body);
  expect(response.status).toBe(201);
  return ((await response.json()) as WireStartedRun).id;
}

async function ended(id: string): Promise<WireRun> {
  const response = await site.get(`/api/v1/runs/${id}/result`);
  expect(response.status).toBe(200);
  return (await response.json()) as WireRun;
}

describe("start", () => {
  test("a start answers 201 with the run's id, and its place relative to the request", async () => {
    const response = await site.post("/api/v1/runs", { workflow: "echo", input: { n: 1 }, tags: { team: "a" } });
    expect(response.status).toBe(201);
    const { id, created } = (await response.json()) as WireStartedRun;
    expect(created).toBe(true);
    const place = new URL(response.headers.get("location") ?? "", "http://x/varve/api/v1/runs").pathname;
    expect(place).toBe(`/varve/api/v1/runs/${id}`);
    const run = await ended(id);
    expect(run).toMatchObject({ id, workflow: "echo", status: "completed", output: { n: 1 }, tags: { team: "a" } });
    expect(run).not.toHaveProperty("outputMeta");
  });

  test("values that JSON cannot say come back as they were sent", async () => {
    const value = { at: new Date(7), big: 2n ** 70n, map: new Map([["k", new Set([undefined, -0])]]), cut: "\ud800" };
    const { value: input, meta: inputMeta } = encodePayload(value);
    const run = await ended(await started({ workflow: "echo", input, inputMeta }));
    expect(decodePayload({ value: run.output, meta: run.outputMeta } as Payload)).toEqual(value);
  });

  test("an input may be left out", async () => {
    const run = await ended(await started({ workflow: "echo" }));
    expect(decodePayload({ value: run.output, meta: run.outputMeta } as Payload)).toBeUndefined();
  });

  test("a second start with the key answers 200 with the same run, by body or by header", async () => {
    const first = await site.post("/api/v1/runs", { workflow: "echo", input: 1, idempotencyKey: "k-1" });
    const { id } = (await first.json()) as WireStartedRun;
    const byBody = await site.post("/api/v1/runs", { workflow: "echo", input: 1, idempotencyKey: "k-1" });
    const byHeader = await site.post("/api/v1/runs", { workflow: "echo", input: 1 }, { "idempotency-key": "k-1" });
    for (const again of [byBody, byHeader]) {
      expect(again.status).toBe(200);
      expect(await again.json()).toEqual({ id, created: false });
    }
  });

  test("another input under a used key is a conflict that names the run", async () => {
    const id = await started({ workflow: "echo", input: 1, idempotencyKey: "k-2" });
    const problem = await problemOf(
      await site.post("/api/v1/runs", { workflow: "echo", input: 2, idempotencyKey: "k-2" }),
    );
    expect(problem).toMatchObject({
      status: 409,
      code: "IDEMPOTENCY_CONFLICT",
      name: "ConflictError",
      facts: { runId: id },
    });
  });

  test("two keys that differ are refused", async () => {
    const body = { workflow: "echo", input: 1, idempotencyKey: "k-3" };
    const problem = await problemOf(await site.post("/api/v1/runs", body, { "idempotency-key": "k-4" }));
    expect(problem).toMatchObject({ status: 400, code: "REQUEST_INVALID" });
  });

  test("an unknown workflow is 404, an input that does not fit 422 with the place", async () => {
    const unknown = await problemOf(await site.post("/api/v1/runs", { workflow: "nope" }));
    expect(unknown).toMatchObject({ status: 404, code: "WORKFLOW_UNKNOWN" });
    const unfit = await problemOf(await site.post("/api/v1/runs", { workflow: "strict", input: { id: 7 } }));
    expect(unfit).toMatchObject({ status: 422, code: "INPUT_INVALID", facts: { issues: [{ path: "$.id" }] } });
  });

  test.each([
    ["a name with NUL", { workflow: "ec\0ho" }, "REQUEST_INVALID", 400],
    ["a key with a lone surrogate", { workflow: "echo", idempotencyKey: "\ud800" }, "REQUEST_INVALID", 400],
    ["a tag that is empty", { workflow: "echo", tags: { a: "" } }, "REQUEST_INVALID", 400],
    ["a tag named __proto__", '{"workflow":"echo","tags":{"__proto__":"x"}}', "REQUEST_INVALID", 400],
    [
      "too many tags",
      { workflow: "echo", tags: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`t${i}`, "x"])) },
      "TAGS_LIMIT",
      422,
    ],
    ["an unknown field", { workflow: "echo", inpt: 1 }, "REQUEST_INVALID", 400],
    ["a duration without unit", { workflow: "echo", delay: "90" }, "DURATION_INVALID", 400],
    ["a negative delay", { workflow: "echo", delay: -1 }, "REQUEST_INVALID", 400],
    ["meta without input", { workflow: "echo", inputMeta: [] }, "REQUEST_INVALID", 400],
    ["meta of no place", { workflow: "echo", input: {}, inputMeta: [[["a"], "date"]] }, "PAYLOAD_CORRUPT", 422],
    ["meta of no kind", { workflow: "echo", input: 1, inputMeta: [[[], "toString"]] }, "PAYLOAD_CORRUPT", 422],
    [
      "meta of an array's length",
      { workflow: "echo", input: [1], inputMeta: [[["length"], "undefined"]] },
      "PAYLOAD_CORRUPT",
      422,
    ],
    ["an input above the log's limit", { workflow: "echo", input: "x".repeat(1_100_000) }, "PAYLOAD_TOO_LARGE", 413],
    ["no object", "[]", "REQUEST_INVALID", 400],
    ["nothing", "", "REQUEST_INVALID", 400],
  ])("%s is refused", async (_what, body, code, status) => {
    const before = (await site.engine.list()).runs[0]?.id;
    expect(await problemOf(await site.post("/api/v1/runs", body))).toMatchObject({ code, status });
    expect((await site.engine.list()).runs[0]?.id).toBe(before);
  });

  test("a body of another content type is refused, also an empty one", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      const response = await site.post("/api/v1/runs", { workflow: "echo" }, { "content-type": type });
      expect(await problemOf(response)).toMatchObject({ status: 415, code: "CONTENT_TYPE_UNSUPPORTED" });
    }
    const bare = await site.ask("/api/v1/runs", { method: "POST" });
    expect(bare.status).toBe(415);
  });
});

describe("read", () => {
  test("a run that is unknown is 404 wherever it is asked for", async () => {
    for (const path of ["", "/history", "/result", "/events"]) {
      const problem = await problemOf(await site.get(`/api/v1/runs/run_x${path}`));
      expect(problem).toMatchObject({ status: 404, code: "RUN_NOT_FOUND", name: "NotFoundError" });
    }
  });

  test("an id that the log cannot hold is refused", async () => {
    for (const id of ["%00", "a%00b", "x".repeat(257)]) {
      expect(await problemOf(await site.get(`/api/v1/runs/${id}`))).toMatchObject({
        status: 400,
        code: "REQUEST_INVALID",
      });
    }
    expect((await site.get("/api/v1/runs/%ED%A0%80")).status).toBe(404);
  });

  test("pages of a list hold each run once, newest first", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++)
      ids.push(await started({ workflow: "echo", input: i, tags: { page: "yes", i: `${i}` } }));
    const seen: string[] = [];
    let cursor: string | null = "";
    for (let pages = 0; cursor !== null; pages++) {
      expect(pages).toBeLessThan(4);
      const from = cursor === "" ? "" : `&cursor=${cursor}`;
      const page = (await (await site.get(`/api/v1/runs?tag=page:yes&limit=2${from}`)).json()) as WireRunPage;
      seen.push(...page.runs.map((run) => run.id));
      cursor = page.cursor;
    }
    expect(seen).toEqual([...ids].reverse());
    const one = (await (await site.get("/api/v1/runs?tag=page:yes&tag=i:3")).json()) as WireRunPage;
    expect(one.runs.map((run) => run.id)).toEqual([ids[3]]);
  });

  test("statuses can be given with commas and several times", async () => {
    const failed = await started({ workflow: "failing" });
    const slept = await started({ workflow: "sleepy" });
    await ended(failed);
    for (const query of [
      "status=failed,running,waiting,pending",
      "status=failed&status=running&status=waiting&status=pending",
    ]) {
      const { runs } = (await (await site.get(`/api/v1/runs?${query}`)).json()) as WireRunPage;
      const ids = runs.map((run) => run.id);
      expect(ids).toContain(failed);
      expect(ids).toContain(slept);
      expect(runs.every((run) => run.status !== "completed")).toBe(true);
    }
    const byTime = (await (await site.get("/api/v1/runs?createdBefore=1000")).json()) as WireRunPage;
    expect(byTime).toEqual({ runs: [], cursor: null });
  });

  test.each([
    ["limit=0"],
    ["limit=501"],
    ["limit=x"],
    ["limit="],
    ["limit=1&limit=2"],
    ["status=done"],
    ["status="],
    ["tag=a"],
    ["tag=:x"],
    ["tag=a:1&tag=a:2"],
    ["createdFrom=yesterday"],
    ["nope=1"],
    ["__proto__=1"],
    ["workflow=%00"],
    ["cursor="],
  ])("the query %s is refused and named", async (query) => {
    const problem = await problemOf(await site.get(`/api/v1/runs?${query}`));
    expect(problem).toMatchObject({ status: 400, code: "REQUEST_INVALID" });
    expect(problem.detail).toContain(query.split("=")[0]);
  });

  test("every other route refuses a query that it does not know", async () => {
    for (const path of [
      "/runs/r",
      "/runs/r/history",
      "/runs/r/result",
      "/runs/r/events",
      "/events",
      "/workflows",
      "/log",
    ]) {
      expect(await problemOf(await site.get(`/api/v1${path}?nope=1`))).toMatchObject({ code: "REQUEST_INVALID" });
    }
  });

  test("a history comes in pages, as it is in the log", async () => {
    const id = await started({ workflow: "echo", input: "x" });
    await ended(id);
    const all = await site.engine.history(id);
    const events: unknown[] = [];
    let afterSeq: number | null = 0;
    while (afterSeq !== null) {
      const response = await site.get(`/api/v1/runs/${id}/history?limit=2&afterSeq=${afterSeq}`);
      const page = (await response.json()) as WireHistoryPage;
      expect(page.events.length).toBeLessThanOrEqual(2);
      events.push(...page.events);
      afterSeq = page.next;
    }
    expect(events).toEqual(JSON.parse(JSON.stringify(all)));
  });

  test("a page is cut short before it grows too large, and goes on", async () => {
    const input = "v".repeat(1_000_000);
    const ids: string[] = [];
    for (let i = 0; i < 10; i++) ids.push(await started({ workflow: "echo", input, tags: { big: "yes" } }));
    await Promise.all(ids.map(ended));
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const text: string = await (
        await site.get(`/api/v1/runs?tag=big:yes${cursor === "" ? "" : `&cursor=${cursor}`}`)
      ).text();
      expect(text.length).toBeLessThan(9_000_000);
      const page = JSON.parse(text) as WireRunPage;
      seen.push(...page.runs.map((run) => run.id));
      cursor = page.cursor;
    }
    expect(seen).toEqual([...ids].reverse());
  });

  test("the workflows are listed with their versions", async () => {
    const { workflows } = (await (await site.get("/api/v1/workflows")).json()) as { workflows: unknown[] };
    expect(workflows).toContainEqual({ name: "echo", versions: ["1"] });
  });
});

describe("result", () => {
  test("a run that failed is answered with its error", async () => {
    const run = await ended(await started({ workflow: "failing" }));
    expect(run).toMatchObject({ status: "failed", error: { code: "STEP_FAILED", cause: { message: "it broke" } } });
  });

  test("a run that goes on is 202 after the wait, and a cancel ends the wait", async () => {
    const id = await started({ workflow: "sleepy" });
    const early = await site.get(`/api/v1/runs/${id}/result?timeoutMs=0`);
    expect(early.status).toBe(202);
    expect(await early.json()).toMatchObject({ id });
    const waiting = ended(id);
    const cancel = await site.post(`/api/v1/runs/${id}/cancel`, { reason: "not wanted" });
    expect(cancel.status).toBe(202);
    expect(await cancel.json()).toEqual({ id });
    expect(await waiting).toMatchObject({ status: "cancelled", cancelReason: "not wanted" });
    const again = await problemOf(await site.post(`/api/v1/runs/${id}/cancel`, {}));
    expect(again).toMatchObject({
      status: 409,
      code: "RUN_OVER",
      title: "Run over",
      type: "urn:varve:problem:run-over",
    });
  });

  test("a cancel takes an empty body, and refuses what it does not know", async () => {
    const id = await started({ workflow: "sleepy" });
    expect((await site.post(`/api/v1/runs/${id}/cancel`, { resaon: "x" })).status).toBe(400);
    const empty = await site.ask(`/api/v1/runs/${id}/cancel`, {
      method: "POST",
      headers: { "content-type": "application/json" },
    });
    expect(empty.status).toBe(202);
    expect(await ended(id)).not.toHaveProperty("cancelReason");
    expect((await site.post("/api/v1/runs/run_x/cancel", {})).status).toBe(404);
  });

  test("a client that leaves ends its wait, and nothing is logged as a fault", async () => {
    const id = await started({ workflow: "sleepy" });
    const gone = new AbortController();
    const answer = site.ask(`/api/v1/runs/${id}/result`, { signal: gone.signal });
    gone.abort();
    expect((await answer).status).toBe(499);
    expect(site.lines.filter(({ level }) => level === "error")).toEqual([]);
  });
});
