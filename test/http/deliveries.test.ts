/** What a hook does with a delivery, what is recorded of it, and how it is looked at and replayed, by the engine and over HTTP. */
import { createClient } from "varve/client";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { workflow } from "../../src/ctx/workflow.ts";
import type { Deliveries } from "../../src/engine/api-deliveries.ts";
import { createEngineOf } from "../../src/engine/engine.ts";
import type { WireDelivery } from "../../src/http/wire-deliveries.ts";
import { memoryStore } from "../../src/log/memory.ts";
import { INBOX_ROWS_MAX } from "../../src/log/port-inbox.ts";
import { cel } from "../../src/triggers/cel.ts";
import { github } from "../../src/triggers/github.ts";
import { type Hook, webhook } from "../../src/triggers/hook.ts";
import { none } from "../../src/triggers/none.ts";
import { env } from "../../src/triggers/secrets.ts";
import { slack } from "../../src/triggers/slack.ts";
import { manualClock, realPorts } from "../support/ports.ts";
import { githubHeaders } from "../triggers/request.ts";
import { openSite, problemOf, type SiteOptions, type TestSite } from "./site.ts";

const SECRET = "s";
const scheme = github({ secrets: [SECRET] });

const order = workflow({ name: "order", input: z.object({ id: z.string() }) }, async (ctx, { id }) =>
  ctx.step("book", () => `booked ${id}`),
);
const approval = workflow({ name: "approval", signals: { approved: z.object({ by: z.string() }) } }, async (ctx) =>
  ctx.waitFor("approved"),
);
const slow = workflow({ name: "slow" }, async (ctx, _input: unknown) => void (await ctx.sleep("nap", "1h")));
const broken = workflow({ name: "broken" }, async (ctx, _input: unknown) =>
  ctx.step("break", () => Promise.reject(new Error("an inside")), { retry: { attempts: 1 } }),
);
const workflows = [order, approval, slow, broken] as never as NonNullable<SiteOptions["workflows"]>;

let site: TestSite;
afterEach(async () => await site.close());

const open = async (hooks: readonly Hook[], more: Partial<SiteOptions> = {}) => {
  site = await openSite({ hooks, workflows, ...more });
};

const send = async (hook: string, body: unknown, id: string, more: Record<string, string> = {}) => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const headers = { ...githubHeaders(SECRET, text, id), ...more };
  return await site.app.request(`/hooks/${hook}`, { method: "POST", body: text, headers });
};

const decided = async (response: Response | Promise<Response>): Promise<WireDelivery> => {
  const answer = await response;
  expect(answer.status).toBe(202);
  return (await answer.json()) as WireDelivery;
};

const runs = async () => (await site.engine.list({ limit: 500 })).runs.map(({ workflow }) => workflow);

describe("a filter", () => {
  it.each([
    ["an expression", cel('headers["x-kind"] == "order" && body.id.startsWith("o-") && hook == "h" && id != "no"')],
    ["a function", (delivery: { headers: Readonly<Record<string, string>> }) => delivery.headers["x-kind"] === "order"],
  ])("that is %s takes what it means, and the rest is recorded with the reason", async (what, filter) => {
    await open([webhook({ name: "h", scheme, filter, workflow: order })]);
    expect(await decided(send("h", { id: "o-1" }, "d-1", { "x-kind": "order" }))).toMatchObject({
      decision: "started",
    });
    const ignored = await send("h", { id: "o-1" }, "d-2", { "x-kind": "ping" });
    expect(ignored.headers.get("location")).toBeNull();
    const why = {
      code: "FILTERED",
      message: expect.stringContaining(what === "a function" ? "filter" : 'headers["x-kind"]'),
    };
    expect(await decided(ignored)).toEqual({
      deliveryId: "d-2",
      replay: 0,
      decision: "ignored",
      runId: null,
      created: false,
      reason: why,
    });
    // A repeat is answered as before, also if the hook would say otherwise now.
    expect(await decided(send("h", { id: "o-1" }, "d-2", { "x-kind": "order" }))).toMatchObject({
      decision: "ignored",
    });
    expect(await runs()).toEqual(["order"]);
    const { deliveries } = await site.engine.deliveries.list();
    expect(deliveries.map(({ id, decision }) => [id, decision])).toEqual([
      ["d-2", "ignored"],
      ["d-1", "started"],
    ]);
  });

  it("over a field that is missing is false, over a form sees its fields, over no JSON is invalid", async () => {
    await open([webhook({ name: "h", scheme, filter: cel('body.team.id == "T1"'), workflow: order })]);
    expect(await decided(send("h", { id: "1" }, "d-1"))).toMatchObject({ reason: { code: "FILTERED" } });
    expect((await problemOf(await send("h", "{", "d-2"))).code).toBe("BODY_INVALID");
    await site.close();
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const input = (delivery: { form(): Readonly<Record<string, string>> }) => ({ id: delivery.form()["text"] ?? "" });
    await open([webhook({ name: "h", scheme, filter: cel('body.command == "/deploy"'), workflow: order, input })]);
    const { runId } = await decided(send("h", "command=%2Fdeploy&text=web+1", "d-1", form));
    expect(await site.engine.run(runId ?? "").result()).toBe("booked web 1");
  });
});

it.each([
  ["a text that is no expression", () => webhook({ name: "h", scheme, workflow: order, filter: cel("body.id ==") })],
  ["an unknown name", () => webhook({ name: "h", scheme, workflow: order, filter: cel("input.id == 1") })],
  ["a filter as a text", () => webhook({ name: "h", scheme, workflow: order, filter: "true" as never })],
  ["neither workflow nor signal", () => webhook({ name: "h", scheme } as never)],
  ["both", () => webhook({ name: "h", scheme, workflow: order, signal: { name: "x", run: () => "" } } as never)],
  ["a signal without a run", () => webhook({ name: "h", scheme, signal: { name: "x" } as never })],
  ["another answer", () => webhook({ name: "h", scheme, workflow: order, respond: "later" as never })],
  ["a timeout beside accepted", () => webhook({ name: "h", scheme, workflow: order, timeout: "5s" })],
  [
    "a timeout beyond a minute",
    () => webhook({ name: "h", scheme, workflow: order, respond: "result", timeout: "61s" }),
  ],
  ["a timeout that is none", () => webhook({ name: "h", scheme, workflow: order, respond: "result", timeout: "soon" })],
  ["a key that is none", () => webhook({ name: "h", scheme, workflow: order, key: "id" as never })],
])("a hook with %s is refused where it is defined", async (_what, make) => {
  await open([]);
  expect(make).toThrow(expect.objectContaining({ name: "DefinitionError" }));
});

it.each([
  ["body.id == 1", 'but found "body.id == 1"; a plain text is no expression: write cel("body.id == 1")'],
  [7, 'filter of the hook "h" to be a function of the delivery, or an expression such as cel("body.total > 100"), but'],
])("a filter that is neither a function nor an expression is refused with what to write: %j", (filter, message) => {
  const make = () => webhook({ name: "h", scheme, workflow: order, filter: filter as never });
  expect(make).toThrow(expect.objectContaining({ code: "HOOK_INVALID", message: expect.stringContaining(message) }));
});

describe("a hook that signals", () => {
  const hook = webhook({
    name: "approve",
    scheme,
    signal: {
      name: "approved",
      run: async (delivery) => (delivery.json() as { run?: string }).run ?? null,
      payload: (delivery) => ({ by: (delivery.json() as { by?: string }).by }),
    },
  });

  it("tells its run once, however often the delivery comes", async () => {
    await open([hook]);
    const run = await site.engine.start(approval, undefined as never);
    const first = await send("approve", { run: run.id, by: "ada" }, "d-1");
    expect(first.headers.get("location")).toBe(`../api/v1/runs/${run.id}`);
    expect(await decided(first)).toMatchObject({ decision: "signalled", runId: run.id, created: false });
    expect(await run.result()).toEqual({ by: "ada" });
    expect(await decided(send("approve", { run: run.id, by: "ada" }, "d-1"))).toMatchObject({ decision: "signalled" });
    const kinds = (await run.history()).map(({ type }) => type).filter((type) => type === "signal.received");
    expect(kinds).toHaveLength(1);
  });

  it("says why it told nobody: no run, an unknown one, one that is over, a payload that does not fit", async () => {
    await open([hook]);
    const over = await site.engine.start(order, { id: "1" });
    await over.result();
    const open_ = await site.engine.start(approval, undefined as never);
    const reason = async (body: object, id: string) => (await decided(send("approve", body, id))).reason?.code;
    expect(await reason({}, "d-1")).toBe("NO_RUN");
    expect(await reason({ run: "run_nowhere" }, "d-2")).toBe("RUN_NOT_FOUND");
    await open_.cancel();
    await open_.result().catch(() => {});
    expect(await reason({ run: open_.id, by: "ada" }, "d-3")).toBe("RUN_OVER");
    const waiting = await site.engine.start(approval, undefined as never);
    expect(await problemOf(await send("approve", { run: waiting.id }, "d-4"))).toMatchObject({
      status: 400,
      code: "SIGNAL_INVALID",
    });
    expect((await site.engine.deliveries.get("approve", "d-4"))?.decision).toBe("invalid");
  });

  it("decides nothing while the run takes no more mail: the sender tries again", async () => {
    await open([hook], { worker: false });
    const run = await site.engine.start(approval, undefined as never);
    await Promise.all(Array.from({ length: INBOX_ROWS_MAX }, () => run.signal("approved", { by: "bob" })));
    expect((await problemOf(await send("approve", { run: run.id, by: "ada" }, "d-1"))).status).toBe(429);
    expect(await site.engine.deliveries.get("approve", "d-1")).toBeNull();
    expect(await site.engine.deliveries.refused()).toMatchObject([{ hook: "approve", reason: "undecided" }]);
  });
});

describe("a hook that responds with its result", () => {
  const hooks = (timeout: string) =>
    [order, slow, broken].map((each) =>
      webhook({ name: each.name, scheme, workflow: each as typeof slow, respond: "result", timeout }),
    );

  it("answers what the run comes to, also to a repeat", async () => {
    await open(hooks("10s"));
    for (const _ of [1, 2]) {
      const response = await send("order", { id: "7" }, "d-1");
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ runId: expect.any(String), output: "booked 7" });
    }
    expect(await runs()).toEqual(["order"]);
  });

  it("answers where the run is when that takes too long", async () => {
    await open(hooks("20ms"));
    const response = await send("slow", {}, "d-1");
    const { runId, decision } = await decided(response.clone());
    expect(decision).toBe("started");
    const place = new URL(response.headers.get("location") ?? "", "http://x/hooks/slow").pathname;
    expect(await (await site.get(place)).json()).toMatchObject({ id: runId, workflow: "slow" });
  });

  it("answers a failure as a problem, without its inside", async () => {
    await open(hooks("10s"));
    const problem = await problemOf(await send("broken", {}, "d-1"));
    expect(problem).toMatchObject({ status: 424, code: "RUN_FAILED", facts: { runId: expect.any(String) } });
    expect(JSON.stringify(problem)).not.toContain("an inside");
  });
});

describe("a key of a hook", () => {
  it("takes the place of the sender's id", async () => {
    const key = (delivery: { json(): unknown }) => `order/${(delivery.json() as { id: string }).id}`;
    await open([webhook({ name: "h", scheme, workflow: order, key })]);
    const first = await decided(send("h", { id: "7" }, "d-1"));
    expect(first).toMatchObject({ deliveryId: "order/7", created: true });
    expect(await decided(send("h", { id: "7" }, "d-2"))).toEqual({ ...first, created: false });
    const path = `/api/v1/deliveries/h/${encodeURIComponent("order/7")}`;
    expect(await (await site.get(path)).json()).toMatchObject({ id: "order/7", runId: first.runId });
    const [created] = await site.engine.history(first.runId ?? "", { limit: 1 });
    expect(created?.data).toMatchObject({
      idempotencyKey: "hook/h/order/7",
      delivery: { hook: "h", id: "order/7" },
      trigger: { kind: "webhook", source: "h", id: "order/7" },
    });
  });

  it.each(["", "x".repeat(129), "a\0b", "\ud800", 7])(
    "that is %j is invalid, and recorded under the sender's id",
    async (key) => {
      await open([webhook({ name: "h", scheme, workflow: order, key: () => key as string })]);
      expect((await problemOf(await send("h", { id: "7" }, "d-1"))).code).toBe("DELIVERY_KEY_INVALID");
      expect(await site.engine.deliveries.get("h", "d-1")).toMatchObject({ decision: "invalid" });
    },
  );
});

describe("what is recorded", () => {
  const hook = (takes: boolean) =>
    webhook({
      name: "h",
      scheme,
      filter: () => takes,
      workflow: order,
      input: (each) => each.json() as { id: string },
    });

  it.each(["the engine", "the client"])("is listed, read and replayed by %s", async (by) => {
    await open([hook(false)]);
    const token = await site.token("runs:read", "runs:write");
    const fetch = async (url: string, init: RequestInit) =>
      await site.app.request(new URL(url).pathname + new URL(url).search, init);
    const client = createClient({ url: "http://varve.test", key: token, fetch: fetch as never });
    const deliveries: Deliveries = by === "the engine" ? site.engine.deliveries : client.deliveries;
    for (const n of [1, 2, 3]) await send("h", { id: `${n}` }, `d-${n}`, { cookie: "a secret", "x-kind": "order" });
    const page = await deliveries.list({ hook: "h", limit: 2 });
    expect(page.deliveries.map(({ id }) => id)).toEqual(["d-3", "d-2"]);
    const rest = await deliveries.list({ hook: "h", limit: 2, cursor: page.cursor ?? "" });
    expect(rest).toMatchObject({ deliveries: [{ id: "d-1", decision: "ignored", bytes: 10 }], cursor: null });
    expect((await deliveries.list({ decision: "started" })).deliveries).toEqual([]);
    const delivery = await deliveries.get("h", "d-1");
    expect(new TextDecoder().decode(delivery?.body)).toBe('{"id":"1"}');
    expect(delivery?.headers).toMatchObject({ "x-kind": "order", "x-github-delivery": "d-1" });
    expect(delivery?.headers).not.toHaveProperty("cookie");
    expect(await deliveries.get("h", "d-9")).toBeNull();
    await expect(deliveries.replay("h", "d-9")).rejects.toMatchObject({ code: "DELIVERY_NOT_FOUND" });
    expect(await deliveries.replay("h", "d-1")).toMatchObject({ kind: "accepted", decision: "ignored", replay: 1 });
    await site.app.request("/hooks/nope", { method: "POST" });
    expect(await deliveries.refused()).toMatchObject([{ hook: "nope", reason: "unknown-hook" }]);
    await expect(deliveries.list({ cursor: "x" })).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });

  it("is decided about once more with the hook as it is now, over the stored bytes, as another run", async () => {
    const ports = realPorts();
    const store = Object.assign(memoryStore(ports.clock), { close: async () => {} });
    const engineWith = async (takes: boolean) =>
      await createEngineOf({ store, ports, workflows: [order], hooks: [hook(takes)] });
    const before = await engineWith(false);
    const body = new TextEncoder().encode('{"id":"7"}');
    await before.deliver("h", { headers: Object.entries(githubHeaders(SECRET, body, "d-1")), body });
    await before.close();
    const after = await engineWith(true);
    await after.work();
    const outcomes = [await after.deliveries.replay("h", "d-1"), await after.deliveries.replay("h", "d-1")];
    expect(outcomes).toMatchObject([
      { decision: "started", replay: 1, run: { created: true } },
      { decision: "started", replay: 2, run: { created: true } },
    ]);
    const [one, two] = outcomes.map((outcome) => (outcome.kind === "accepted" ? outcome.run : null));
    expect(one?.id).not.toBe(two?.id);
    expect(await two?.result()).toBe("booked 7");
    const [created] = (await two?.history({ limit: 1 })) ?? [];
    expect(created?.data).toMatchObject({
      delivery: { hook: "h", id: "d-1", replay: 2 },
      idempotencyKey: "hook-replay-2/h/d-1",
    });
    const { deliveries } = await after.deliveries.list();
    expect(deliveries.map(({ replay, decision, runId }) => [replay, decision, runId])).toEqual([
      [2, "started", two?.id],
      [1, "started", one?.id],
      [0, "ignored", null],
    ]);
    const replayed = await after.deliveries.get("h", "d-1", { replay: 2 });
    expect(new TextDecoder().decode(replayed?.body)).toBe('{"id":"7"}');
    // The first decision stays what it was.
    expect(
      await after.deliver("h", { headers: Object.entries(githubHeaders(SECRET, body, "d-1")), body }),
    ).toMatchObject({
      decision: "ignored",
      isRepeat: true,
    });
    await after.close();
    await open([]);
  });

  it("is pruned after its time, and a repeat of what is gone starts no second run while the first is there", async () => {
    const clock = manualClock(1_763_720_000_000);
    const ports = { ...realPorts(), clock };
    const store = memoryStore(clock);
    const retention = { deliveries: "7d" };
    const engine = await createEngineOf({ store, ports, workflows: [order], hooks: [hook(true)], retention });
    const deliver = async (id: string) => {
      const body = new TextEncoder().encode(`{"id":"${id}"}`);
      const outcome = await engine.deliver("h", { headers: Object.entries(githubHeaders(SECRET, body, id)), body });
      if (outcome.kind !== "accepted" || outcome.run === null) throw new Error(outcome.kind);
      return outcome.run;
    };
    const first = await deliver("d-1");
    clock.advance(7 * 86_400_000);
    await deliver("d-2");
    expect(await engine.deliveries.get("h", "d-1")).not.toBeNull();
    await engine.work();
    const pass = async (ms: number) => {
      clock.advance(ms);
      for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    };
    await pass(60_000);
    // Nothing new has come.
    expect(await engine.deliveries.get("h", "d-1")).toBeNull();
    expect(await engine.deliveries.get("h", "d-2")).not.toBeNull();
    // And again, without a delivery, a message or a nudge.
    for (let hours = 0; hours < 7 * 24 + 1; hours++) await pass(3_600_000);
    expect(await engine.deliveries.get("h", "d-2")).toBeNull();
    const again = await deliver("d-1");
    expect([again.id, again.created]).toEqual([first.id, false]);
    await engine.close();
    await open([]);
  });

  it("is kept for a week at least", async () => {
    await open([]);
    const parts = { store: memoryStore(realPorts().clock), ports: realPorts(), workflows: [order] };
    for (const deliveries of ["6d", "1s", 0]) {
      await expect(createEngineOf({ ...parts, retention: { deliveries } })).rejects.toMatchObject({
        code: "RETENTION_INVALID",
      });
    }
  });
});

describe("what is not decided about", () => {
  it("is stored nowhere and remembered for a while, newest first, with the reason and without what a stranger sends at length", async () => {
    await open([
      webhook({ name: "h", scheme, workflow: order }),
      webhook({ name: "faulty", scheme, workflow: order, input: () => Promise.reject(new TypeError("a fault")) }),
    ]);
    for (let i = 0; i < 120; i++) await site.app.request(`/hooks/h`, { method: "POST", body: "{}" });
    expect((await send("faulty", "{}", "d-1")).status).toBe(500);
    await site.app.request(`/hooks/${"n".repeat(2_000)}`, { method: "POST", body: "{}" });
    const refused = await site.engine.deliveries.refused();
    expect(refused).toHaveLength(100);
    expect(refused.slice(0, 3)).toMatchObject([
      { reason: "unknown-hook", hook: expect.stringMatching(/^n{255}…$/) },
      { reason: "undecided", hook: "faulty", detail: "TypeError: a fault" },
      { reason: "header-missing", hook: "h" },
    ]);
    expect((await site.engine.deliveries.list()).deliveries).toEqual([]);
    const answer = await (await site.get("/api/v1/deliveries/refused")).json();
    expect(answer).toEqual({ refused });
  });

  it("once decided otherwise by another process is answered by that decision", async () => {
    let isFirst = true;
    await open([webhook({ name: "h", scheme, workflow: order })], {
      over: (store) =>
        Object.assign(store, {
          // Somebody else decides between the look and the write.
          getDecided: async (id: Parameters<typeof store.getDecided>[0]) => {
            if (!isFirst) return (await store.getDelivery(id)) as never;
            isFirst = false;
            const row = { ...id, receivedAt: 1, content: { headers: {}, body: new Uint8Array() } };
            const reason = '{"code":"FILTERED","message":"no"}';
            await store.decideDelivery({ row, decision: "ignored", reason, signal: null });
            return null;
          },
        }),
    });
    expect(await decided(send("h", { id: "7" }, "d-1"))).toMatchObject({ decision: "ignored", runId: null });
    expect(await runs()).toEqual([]);
  });
});

describe("a handshake of Slack", () => {
  it("is answered once its signature is good, and nothing is stored", async () => {
    const scheme = slack({ secrets: [SECRET] });
    await open([webhook({ name: "slack", scheme, workflow: order })]);
    const body = new TextEncoder().encode('{"type":"url_verification","challenge":"<c>"}');
    const headers = (await scheme.sign?.({ body, id: "", at: Date.now() })) ?? {};
    const response = await site.app.request("/hooks/slack", { method: "POST", body, headers });
    expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
      200,
      "text/plain; charset=utf-8",
      "<c>",
    ]);
    const forged = { ...headers, "x-slack-signature": `v0=${"0".repeat(64)}` };
    expect((await site.app.request("/hooks/slack", { method: "POST", body, headers: forged })).status).toBe(401);
    expect((await site.engine.deliveries.list()).deliveries).toEqual([]);
  });
});

describe("a hook that verifies nothing", () => {
  const hooks = [webhook({ name: "open", scheme: none(), workflow: order })];
  const post = async (headers: Record<string, string> = {}) =>
    (await site.app.request("http://127.0.0.1:1/hooks/open", { method: "POST", body: '{"id":"1"}', headers })).status;

  it("takes what this machine's programs send to a server without keys, and says so in its log", async () => {
    let peer = "127.0.0.1";
    await open(hooks, { auth: { loopback: { hosts: ["127.0.0.1:1"], peerAddress: () => peer } } });
    expect(site.lines).toMatchObject([{ level: "warn", fields: { hook: "open", scheme: "none" } }]);
    expect(await post()).toBe(202);
    expect(await post({ origin: "https://evil.example" })).toBe(401);
    expect(await post({ "x-forwarded-for": "10.0.0.1" })).toBe(401);
    expect(await post({ host: "evil.example" })).toBe(401);
    peer = "10.0.0.1";
    expect(await post()).toBe(401);
  });

  it("takes nothing on a server with keys", async () => {
    await open(hooks);
    expect(await post()).toBe(401);
  });
});

it("a hook whose secrets nobody knows is not served, and a vault that is asked at each request is enough", async () => {
  const named = [webhook({ name: "h", scheme: github({ secrets: env("HOOK_KEY") }), workflow: order })];
  const parts = { store: memoryStore(realPorts().clock), ports: realPorts(), workflows: [order], hooks: named };
  await expect(createEngineOf(parts)).rejects.toMatchObject({
    code: "SECRET_INVALID",
    facts: { missing: ["HOOK_KEY"] },
  });
  const engine = await createEngineOf({
    ...parts,
    secrets: async (name) => (name === "HOOK_KEY" ? SECRET : undefined),
  });
  const body = new TextEncoder().encode('{"id":"1"}');
  const headers = Object.entries(githubHeaders(SECRET, body, "d-1"));
  expect(await engine.deliver("h", { headers, body })).toMatchObject({ decision: "started" });
  await engine.close();
  await open([]);
});
