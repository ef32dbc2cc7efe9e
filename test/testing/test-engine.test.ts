/** What else a test engine is: an engine, that is held to what it promises, and says so when a test is wrong. */
import { Webhook } from "standardwebhooks";
import { env, isVarveError, standardWebhooks, type WebhookDelivery, webhook, withEnv, workflow } from "varve";
import { createApp } from "varve/http";
import { type TestEngineOptions, testEngine } from "varve/testing";
import { describe, expect, it } from "vitest";
import { Agenda } from "../../src/testing/agenda.ts";
import { MOVES_MAX, Pace } from "../../src/testing/pace.ts";

const START = Date.UTC(2026, 0, 1);

const greet = workflow({ name: "greet" }, async (ctx, name: string) => {
  ctx.log("info", "greeting", { name });
  await ctx.sleep("pause", "1h");
  return ctx.step("greet", ({ log }) => {
    log("warn", "loud");
    return `Hello, ${name}`;
  });
});

describe("a test engine", () => {
  it("is an engine, which serves the HTTP API", async () => {
    const t = await testEngine({ workflows: [greet] });
    const { token } = await t.keys.create({ name: "test", scopes: ["runs:read", "runs:write"] });
    const app = createApp(t);
    const ask = async (method: string, path: string, body?: unknown) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const content = body === undefined ? {} : { body: JSON.stringify(body) };
      return await app.fetch(new Request(`http://varve.example${path}`, { method, headers, ...content }));
    };
    const started = await ask("POST", "/api/v1/runs", { workflow: "greet", input: "Ada" });
    expect(started.status).toBe(201);
    const { id } = (await started.json()) as { id: string };
    // An hour passes, and more is not waited for.
    const pending = await ask("GET", `/api/v1/runs/${id}/result?timeoutMs=1000`);
    expect([pending.status, t.now()]).toEqual([202, START + 1_000]);
    await t.advance("1h");
    const result = await ask("GET", `/api/v1/runs/${id}/result`);
    expect([result.status, await result.json()]).toMatchObject([200, { status: "completed" }]);
  });

  it("takes webhooks, and the handle of their run is as good as any", async () => {
    const secret = `whsec_${btoa("0123456789012345678901234567")}`;
    const scheme = standardWebhooks({ secrets: env("SIGNUP_SECRET") });
    const input = (delivery: WebhookDelivery) => (delivery.json() as { name: string }).name;
    const t = await testEngine({
      workflows: [greet],
      hooks: [webhook({ name: "signup", scheme, workflow: greet, input })],
      secrets: (name) => (name === "SIGNUP_SECRET" ? secret : undefined),
    });
    const text = '{"name":"Ada"}';
    const deliver = (signature: string) =>
      t.deliver("signup", {
        headers: [
          ["webhook-id", "msg_1"],
          ["webhook-timestamp", String(START / 1_000)],
          ["webhook-signature", signature],
        ],
        body: new TextEncoder().encode(text),
      });
    const accepted = await deliver(new Webhook(secret).sign("msg_1", new Date(START), text));
    expect(accepted.kind).toBe("accepted");
    await t.crash();
    if (accepted.kind === "accepted") expect(await accepted.run?.result()).toBe("Hello, Ada");
    expect(await deliver("v1,none")).toMatchObject({ kind: "refused" });
    const { deliveries } = await t.deliveries.list();
    expect(deliveries).toMatchObject([{ hook: "signup", id: "msg_1", decision: "started" }]);
    await t.crash();
    const again = await t.deliveries.replay("signup", "msg_1");
    expect(again.kind === "accepted" && (await again.run?.result())).toBe("Hello, Ada");
  });

  it("keeps what was logged, in every process", async () => {
    const t = await testEngine({ workflows: [greet] });
    const run = await t.start(greet, "Ada");
    await t.crash();
    await run.result();
    const lines = t.lines().filter(({ fields }) => fields["runId"] === run.id);
    expect(lines.map(({ level, message }) => `${level} ${message}`)).toEqual(["info greeting", "warn loud"]);
    expect(lines[1]?.fields).toMatchObject({ step: "greet", attempt: 1 });
  });

  it("can have more workers, and API keys, and is well", async () => {
    const t = await testEngine({ workflows: [greet] });
    const worker = await t.work({ concurrency: 2, label: "second" });
    await (await t.start(greet, "Ada")).result();
    await worker.stop();
    const { token } = await t.keys.create({ name: "ci", scopes: ["runs:read"] });
    expect(await t.keys.verify(token)).toMatchObject({ name: "ci" });
    expect(t.health()).toEqual({ storeFailingMs: null });
    expect(await t.lastPosition()).toBeGreaterThan(3);
    expect(await t.tick({ budgetMs: 1_000 })).toEqual({ more: false, nextAt: null });
  });

  it("answers with the run that has the idempotency key", async () => {
    const t = await testEngine({ workflows: [greet] });
    const first = await t.start(greet, "Ada", { idempotencyKey: "a" });
    const again = await t.start(greet, "Ada", { idempotencyKey: "a" });
    expect([first.created, again.created, again.id]).toEqual([true, false, first.id]);
    await expect(t.start(greet, "Bob", { idempotencyKey: "a" })).rejects.toMatchObject({
      code: "IDEMPOTENCY_CONFLICT",
    });
  });
});

describe("code that is not repeatable", () => {
  const { workflow: withCount } = withEnv<{ count: number }>();
  const forgetful = () => {
    let starts = 0;
    return withCount({ name: "forgetful" }, async (ctx) => {
      const name = `step ${starts++}`;
      await ctx.step(name, () => 1);
      await ctx.sleep("pause", "1h");
    });
  };

  it("is found when a run has ended, although nothing went wrong in it", async () => {
    const code = forgetful();
    const t = await testEngine({ workflows: [code] });
    const run = await t.start(code, null);
    await expect(run.result()).rejects.toMatchObject({
      name: "ReplayDivergedError",
      code: "REPLAY_DIVERGED",
      message: expect.stringContaining(
        'does not go the way of its history\n  - expected (event 3): ctx.step "step 0"\n  + found:    the code waiting for ctx.step "step 1"',
      ),
    });
  });

  it("is found at the end of the test, if nobody asked for the result", async () => {
    const code = forgetful();
    const t = await testEngine({ workflows: [code] });
    await t.start(code, null);
    await t.advance("1d");
    await expect(t.close()).rejects.toMatchObject({ code: "REPLAY_DIVERGED" });
  });

  it("is let pass where the test says so", async () => {
    const code = forgetful();
    const t = await testEngine({ workflows: [code], replay: false });
    await (await t.start(code, null)).result();
    await t.close();
  });

  it("leaves the run stuck after a crash, and its result says why", async () => {
    const code = forgetful();
    const t = await testEngine({ workflows: [code], replay: false });
    const run = await t.start(code, null);
    await t.crash();
    await expect(run.result()).rejects.toMatchObject({
      name: "ReplayDivergedError",
      code: "REPLAY_DIVERGED",
      facts: { expected: 'ctx.step "step 0"', seq: 3 },
    });
    expect((await run.status()).status).toBe("stuck");
  });

  it("fails the run if it awaits what replay cannot repeat", async () => {
    const impatient = workflow({ name: "impatient" }, async (ctx) => {
      // Longer than any turn, and not by a timer, which may come within one on a busy machine.
      for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
      await ctx.step("late", () => 1);
    });
    const t = await testEngine({ workflows: [impatient] });
    await expect((await t.start(impatient, null)).result()).rejects.toMatchObject({ cause: { code: "FOREIGN_AWAIT" } });
  });
});

describe("close", () => {
  it("ends the engine: what is asked afterwards is refused", async () => {
    const t = await testEngine({ workflows: [greet] });
    const run = await t.start(greet, "Ada");
    await t.close();
    await t.close();
    const calls = [
      () => t.start(greet, "Bob"),
      () => t.advance("1h"),
      () => t.advanceTo(t.now()),
      () => t.until(() => true),
    ];
    for (const call of [...calls, () => t.crash(), () => run.result(), () => t.list()]) {
      await expect(call()).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    }
    expect(() => t.world.wait("1h")).toThrow(expect.objectContaining({ code: "SIMULATION_OVER" }));
    expect(t.calls()).toEqual([]);
  });

  it("does not wait for bodies that hang, nor for those that take real time", async () => {
    const hanging = workflow({ name: "hanging" }, async (ctx) =>
      Promise.all([
        ctx.step("virtual", () => 1),
        ctx.step("real", () => new Promise<number>((resolve) => setTimeout(resolve, 3_600_000, 1).unref())),
      ]),
    );
    const t = await testEngine({ workflows: [hanging], steps: { virtual: (_, { hang }) => hang() } });
    await t.start(hanging, null);
    await t.close();
    expect(t.calls()).toHaveLength(2);
  });
});

describe("waiting that comes to nothing", () => {
  it("is given up after so many instants, however much is due", async () => {
    const agenda = new Agenda(0, { float: () => 0 });
    const pace = new Pace(agenda, { keeper: () => null, failure: () => null });
    const again = () => agenda.after(1, again);
    again();
    const why = await new Promise((resolve) => pace.letPass(resolve));
    expect(why).toBe("endless");
    expect(agenda.now).toBe(MOVES_MAX);
  });

  it("ends with what a task threw", async () => {
    const agenda = new Agenda(0, { float: () => 0 });
    const pace = new Pace(agenda, { keeper: () => null, failure: () => null });
    agenda.after(5, () => {
      throw new Error("a bug");
    });
    await expect(pace.advance(10)).rejects.toThrow("a bug");
    await expect(pace.quiet()).rejects.toThrow("a bug");
  });
});

describe("a wrong call is refused, and says where", () => {
  const good = { workflows: [greet] };
  const wrong: readonly (readonly [code: string, place: string, options: unknown])[] = [
    ["TEST_INVALID", "testEngine's options", undefined],
    ["TEST_INVALID", "testEngine's options", "all"],
    ["TEST_INVALID", "workflows", {}],
    ["TEST_INVALID", "workflows", { workflows: greet }],
    ["WORKFLOW_INVALID", "workflows[1]", { workflows: [greet, {}] }],
    ["WORKFLOW_INVALID", "each workflow and version once", { workflows: [greet, greet] }],
    ["INSTANT_INVALID", "a time with its zone", { ...good, start: "2026-01-01" }],
    ["INSTANT_INVALID", "a Date", { ...good, start: null }],
    ["TEST_INVALID", "seed", { ...good, seed: 1.5 }],
    ["TEST_INVALID", "replay", { ...good, replay: "yes" }],
    ["TEST_INVALID", "unusedMocks", { ...good, unusedMocks: true }],
    ["TEST_INVALID", "steps", { ...good, steps: [] }],
    ["TEST_INVALID", 'steps["charge"]', { ...good, steps: { charge: 1 } }],
    ["TEST_INVALID", 'the key of steps["poll*"]', { ...good, steps: { "poll*": () => 1 } }],
    ["TEST_INVALID", "crashes", { ...good, crashes: "often" }],
    ["TEST_INVALID", "crashes[0]", { ...good, crashes: [null] }],
    [
      "TEST_INVALID",
      "crashes[1]",
      {
        ...good,
        crashes: [
          { write: 1, moment: "after" },
          { write: 0, moment: "after" },
        ],
      },
    ],
    ["TEST_INVALID", "crashes[0].moment", { ...good, crashes: [{ write: 1, moment: "end" }] }],
    ["TEST_INVALID", "crashes[0].moment", { ...good, crashes: [{ step: "a", moment: "after" }] }],
    ["TEST_INVALID", "crashes[0].step", { ...good, crashes: [{ step: "a*", moment: "end" }] }],
    ["TEST_INVALID", "crashes[0].attempt", { ...good, crashes: [{ step: "a", moment: "end", attempt: 0 }] }],
    ["OPTION_INVALID", "limits.payloadBytesMax", { ...good, limits: { payloadBytesMax: -1 } }],
    ["HOOK_INVALID", "each hook once", { ...good, hooks: [{}] }],
    ["OPTION_INVALID", "hooks", { ...good, hooks: "all" }],
  ];
  for (const [code, place, options] of wrong) {
    it(`${place}: ${JSON.stringify(options)}`, async () => {
      await expect(testEngine(options as TestEngineOptions)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(place),
      });
    });
  }

  it("of its methods", async () => {
    const t = await testEngine({ workflows: [greet] });
    await expect(t.advance("soon")).rejects.toMatchObject({ code: "DURATION_INVALID" });
    await expect(t.advance(-1)).rejects.toMatchObject({ code: "DURATION_INVALID" });
    await expect(t.advanceTo("tomorrow")).rejects.toMatchObject({ code: "INSTANT_INVALID" });
    await expect(t.advanceTo("2025-12-31T00:00:00Z")).rejects.toThrow(
      'expected advanceTo\'s instant to be one that is not before 2026-01-01T00:00:00.000Z, but found "2025-12-31T00:00:00Z"',
    );
    await expect(t.until(true as never)).rejects.toMatchObject({ code: "TEST_INVALID" });
    await expect(
      t.until(() => {
        throw new RangeError("mine");
      }),
    ).rejects.toThrow("mine");
    expect(() => t.calls("poll*")).toThrow(expect.objectContaining({ code: "TEST_INVALID" }));
    await expect(t.start("nobody")).rejects.toMatchObject({ code: "WORKFLOW_UNKNOWN" });
    const run = await t.start(greet, "Ada");
    const error = await run.result({ timeout: "soon" }).catch((thrown: unknown) => thrown);
    expect(isVarveError(error, "DURATION_INVALID")).toBe(true);
  });

  it("what env throws comes as it is", async () => {
    const env = () => {
      throw new TypeError("no world today");
    };
    await expect(testEngine({ workflows: [greet], env })).rejects.toThrow("no world today");
  });
});
