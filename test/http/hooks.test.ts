import { createRequire } from "node:module";
import { sign } from "@octokit/webhooks-methods";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { workflow } from "../../src/ctx/workflow.ts";
import type { WireDelivery } from "../../src/http/wire-deliveries.ts";
import { github } from "../../src/triggers/github.ts";
import { webhook } from "../../src/triggers/hook.ts";
import { standardWebhooks } from "../../src/triggers/standard-webhooks.ts";
import { githubHeaders, standardHeaders } from "../triggers/request.ts";
import { openSite, problemOf, type TestSite } from "./site.ts";

const SECRET = "a secret of GitHub's";
const STANDARD_SECRET = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;

const received = workflow({ name: "received" }, async (_ctx, input: { event: string; payload: unknown }) => input);
const paid = workflow({ name: "paid", input: z.object({ amount: z.number() }) }, async (_ctx, input) => input.amount);
const broken = workflow({ name: "broken" }, async (_ctx, _input: unknown) => {});

const hooks = [
  webhook({
    name: "github",
    scheme: github({ secrets: [SECRET] }),
    workflow: received,
    input: (delivery) => ({ event: delivery.headers["x-github-event"] ?? "none", payload: delivery.json() }),
  }),
  webhook({ name: "payments", scheme: standardWebhooks({ secrets: [STANDARD_SECRET] }), workflow: paid }),
  webhook({
    name: "buggy",
    scheme: github({ secrets: [SECRET] }),
    workflow: broken,
    input: () => {
      throw new TypeError("secret bug");
    },
  }),
];

let site: TestSite;
beforeAll(async () => {
  site = await openSite({ hooks, workflows: [received, paid, broken], hookBytesMax: 100_000 });
});
afterAll(async () => await site.close());

async function post(
  hook: string,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  headers: Record<string, string>,
): Promise<Response> {
  const init = { method: "POST", body, headers, duplex: "half" } as const;
  return await site.app.request(`/hooks/${hook}`, init);
}

const deliverySent = async (response: Response): Promise<WireDelivery> => {
  expect(response.status).toBe(202);
  return (await response.json()) as WireDelivery;
};

/** How much there is that a refused request must not add to. */
async function stored(): Promise<{ runs: number; position: number }> {
  let runs = 0;
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page = await site.engine.list({ limit: 500, ...(cursor === "" ? {} : { cursor }) });
    runs += page.runs.length;
    cursor = page.cursor;
  }
  return { runs, position: await site.engine.lastPosition() };
}

interface Example {
  readonly name: string;
  readonly examples: readonly unknown[];
}

describe("a webhook", () => {
  test("of each kind that GitHub sends, signed by Octokit, starts a run with its payload", async () => {
    const kinds = createRequire(import.meta.url)("@octokit/webhooks-examples") as readonly Example[];
    expect(kinds.length).toBeGreaterThan(50);
    let sent = 0;
    for (const { name, examples } of kinds) {
      for (const payload of examples) {
        const body = JSON.stringify(payload);
        const deliveryId = `real-${++sent}`;
        const signature = await sign(SECRET, body);
        const headers = { "x-github-event": name, "x-github-delivery": deliveryId, "x-hub-signature-256": signature };
        const { runId, ...rest } = await deliverySent(await post("github", body, headers));
        expect(rest).toEqual({ created: true, deliveryId, replay: 0, decision: "started", reason: null });
        expect(await site.engine.run(runId ?? "").result()).toEqual({ event: name, payload });
        const row = await site.store.getDelivery({ hook: "github", deliveryId, replay: 0 });
        expect(row?.runId).toBe(runId);
        expect(new TextDecoder().decode(row?.content?.body)).toBe(body);
        expect(row?.content?.headers).toMatchObject(headers);
      }
    }
    expect(sent).toBeGreaterThan(200);
  });

  test("signed by the reference of Standard Webhooks starts a run", async () => {
    const body = '{"amount": 7}';
    const now = new Date();
    const signature = new Webhook(STANDARD_SECRET).sign("msg_ref", now, body);
    const timestamp = `${Math.floor(now.getTime() / 1_000)}`;
    const headers = { "webhook-id": "msg_ref", "webhook-timestamp": timestamp, "webhook-signature": signature };
    const { runId } = await deliverySent(await post("payments", body, headers));
    expect(await site.engine.run(runId ?? "").result()).toBe(7);
  });

  test("that comes five times at once starts one run, and each answer names it", async () => {
    const before = await stored();
    const body = '{"n":5}';
    const headers = githubHeaders(SECRET, body, "five-times");
    const answers = await Promise.all(Array.from({ length: 5 }, async () => await post("github", body, headers)));
    const deliveries = await Promise.all(answers.map(deliverySent));
    expect(new Set(deliveries.map(({ runId }) => runId)).size).toBe(1);
    expect(deliveries.filter(({ created }) => created)).toHaveLength(1);
    expect((await stored()).runs).toBe(before.runs + 1);
    const later = await deliverySent(await post("github", body, headers));
    expect(later).toEqual({ ...deliveries[0], created: false });
  });

  test("is answered only after its commit", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let appended = () => {};
    const reached = new Promise<void>((resolve) => {
      appended = resolve;
    });
    const slow = await openSite({
      hooks,
      workflows: [received, paid, broken],
      worker: false,
      over: (store) => {
        const append = store.append.bind(store);
        return Object.assign(store, {
          append: async (write: Parameters<typeof append>[0]) => {
            appended();
            await held;
            return await append(write);
          },
        });
      },
    });
    let isAnswered = false;
    const answer = Promise.resolve(
      slow.app.request("/hooks/github", { method: "POST", body: "{}", headers: githubHeaders(SECRET, "{}") }),
    ).then((response) => {
      isAnswered = true;
      return response.status;
    });
    await reached;
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(isAnswered).toBe(false);
    release();
    expect(await answer).toBe(202);
    await slow.close();
  });
});

describe("a request that is no webhook of its sender", () => {
  test("is told the same by an unknown hook and for a bad signature, and the log alone says why", async () => {
    const before = await stored();
    const seen = new Set<string>();
    const good = githubHeaders(SECRET, "{}");
    const requests: readonly (readonly [string, Record<string, string>, string])[] = [
      ["nope", good, "unknown-hook"],
      ["%00", good, "unknown-hook"],
      ["__proto__", good, "unknown-hook"],
      ["github", githubHeaders("another", "{}"), "signature-wrong"],
      ["github", {}, "header-missing"],
      ["github", { ...good, "x-hub-signature-256": "x" }, "header-malformed"],
      ["payments", standardHeaders(STANDARD_SECRET, "{}", { at: Date.now() - 301_000 }), "outside-time-window"],
      ["payments", standardHeaders(STANDARD_SECRET, "{}", { at: Date.now() + 302_000 }), "outside-time-window"],
      ["payments", good, "header-missing"],
    ];
    for (const [hook, headers, reason] of requests) {
      const response = await post(hook, "{}", headers);
      const { instance, ...problem } = await problemOf(response);
      expect(problem).toMatchObject({ status: 401, code: "HOOK_REFUSED" });
      seen.add(JSON.stringify([problem, [...response.headers]]));
      expect(site.lines.at(-1)?.fields, hook).toMatchObject({ reason });
      expect(instance).toMatch(/^urn:varve:occurrence:[0-9a-f]{16}$/);
    }
    expect(seen.size).toBe(1);
    expect(await stored()).toEqual(before);
  });

  test("is refused with a header doubled on the way", async () => {
    const headers = new Headers(githubHeaders(SECRET, "{}"));
    headers.append("x-hub-signature-256", headers.get("x-hub-signature-256") as string);
    const response = await site.app.request("/hooks/github", { method: "POST", body: "{}", headers });
    expect((await problemOf(response)).status).toBe(401);
  });

  test("whatever it is, is refused without a fault, and the app goes on", async () => {
    const before = await stored();
    const faults = site.lines.filter(({ level }) => level === "error").length;
    const name = fc.oneof(
      fc.constantFrom(
        "x-hub-signature-256",
        "x-github-delivery",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
      ),
      fc.constantFrom("content-length", "content-type", "authorization", "transfer-encoding"),
    );
    const value = fc.oneof(fc.string(), fc.stringMatching(/^sha256=[0-9a-f]{64}$/), fc.nat().map(String));
    const hook = fc.oneof(fc.constantFrom("github", "payments", "buggy", "nope"), fc.string({ unit: "binary" }));
    await fc.assert(
      fc.asyncProperty(
        hook,
        fc.array(fc.tuple(name, value), { maxLength: 6 }),
        fc.uint8Array(),
        async (hook, pairs, body) => {
          const headers = new Headers();
          for (const [name, value] of pairs) headers.append(name, value);
          const path = `/hooks/${encodeURIComponent(hook.toWellFormed())}`;
          const { status } = await site.app.request(path, {
            method: "POST",
            body: body as Uint8Array<ArrayBuffer>,
            headers,
          });
          expect([401, 404, 413]).toContain(status);
        },
      ),
      { numRuns: 500 },
    );
    expect(await stored()).toEqual(before);
    expect(site.lines.filter(({ level }) => level === "error")).toHaveLength(faults);
    expect((await site.app.request("/healthz")).status).toBe(200);
  });
});

describe("a webhook that is signed but cannot be used", () => {
  test.each([
    ["no JSON", "github", "{", "BODY_INVALID"],
    ["nothing", "github", "", "BODY_INVALID"],
    ["nested too deep", "github", "[".repeat(9_000) + "]".repeat(9_000), "BODY_INVALID"],
    ["another shape than the workflow's input", "payments", '{"amount":"7"}', "INPUT_INVALID"],
    ["no JSON for a workflow with a schema", "payments", "amount=7", "BODY_INVALID"],
  ])("%s is 422 and starts nothing", async (_what, hook, body, code) => {
    const before = await stored();
    const id = crypto.randomUUID();
    const headers =
      hook === "github"
        ? githubHeaders(SECRET, body, id)
        : standardHeaders(STANDARD_SECRET, body, { id, at: Date.now() });
    const problem = await problemOf(await post(hook, body, headers));
    expect(problem).toMatchObject({ status: 422, code });
    expect(await stored()).toEqual(before);
    const delivery = await site.engine.deliveries.get(hook, id);
    expect(delivery).toMatchObject({ decision: "invalid", runId: null, reason: { code } });
    expect(new TextDecoder().decode(delivery?.body)).toBe(body);
    // A repeat has the same answer, and is not decided about again.
    const { instance: _, ...again } = await problemOf(await post(hook, body, headers));
    expect(problem).toMatchObject(again);
  });

  test("bytes that are no UTF-8 are 422", async () => {
    const body = Uint8Array.from([0x22, 0xff, 0x22]);
    expect(await problemOf(await post("github", body, githubHeaders(SECRET, body, "no-utf-8")))).toMatchObject({
      code: "BODY_INVALID",
    });
  });

  test("any JSON, signed, is taken or refused without a fault", async () => {
    await fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 6, stringUnit: "binary" }), fc.uuid(), async (body, id) => {
        const taken = await post("github", body, githubHeaders(SECRET, body, id));
        expect(taken.status).toBe(202);
        const headers = standardHeaders(STANDARD_SECRET, body, { id, at: Date.now() });
        expect([202, 422]).toContain((await post("payments", body, headers)).status);
      }),
      { numRuns: 100 },
    );
  });

  test("a hook whose own code throws is our fault: 500 without its inside, logged", async () => {
    const problem = await problemOf(await post("buggy", "{}", githubHeaders(SECRET, "{}")));
    expect(problem).toMatchObject({ status: 500, code: "INTERNAL" });
    expect(JSON.stringify(problem)).not.toContain("secret bug");
    expect(site.lines.at(-1)).toMatchObject({ level: "error", fields: { error: { message: "secret bug" } } });
  });
});

describe("a body above the limit", () => {
  const big = `"${"x".repeat(100_000)}"`;
  const chunks = (count: number, size: number) => {
    let sent = 0;
    const read = { chunks: 0 };
    const stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          read.chunks++;
          if (sent++ < count) controller.enqueue(new Uint8Array(size).fill(32));
          else controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    return { stream, read };
  };

  test("is refused for what it holds, whatever its Content-Length says", async () => {
    const before = await stored();
    for (const length of [undefined, "1", "0", "-1", "x", `${big.length}`]) {
      const headers = { ...githubHeaders(SECRET, big), ...(length === undefined ? {} : { "content-length": length }) };
      expect(await problemOf(await post("github", big, headers))).toMatchObject({
        status: 413,
        code: "BODY_TOO_LARGE",
      });
    }
    expect((await problemOf(await post("nope", big, {}))).status).toBe(413);
    expect(await stored()).toEqual(before);
  });

  test("is refused unread when its Content-Length says so", async () => {
    const { stream, read } = chunks(1, 1);
    const response = await post("github", stream, { "content-length": "100001" });
    expect((await problemOf(response)).status).toBe(413);
    expect(read.chunks).toBe(0);
  });

  test("in chunks is read no further than the limit", async () => {
    const { stream, read } = chunks(1_000, 30_000);
    expect((await problemOf(await post("github", stream, {}))).status).toBe(413);
    expect(read.chunks).toBeLessThanOrEqual(5);
    const exact = chunks(10, 10_000);
    expect((await problemOf(await post("github", exact.stream, {}))).status).toBe(401);
  });

  test("that breaks off is 400, and no fault of ours", async () => {
    const stream = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
    expect(await problemOf(await post("github", stream, {}))).toMatchObject({ status: 400, code: "BODY_UNREADABLE" });
  });
});
