import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sign } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import { createEngine } from "varve/node";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { slack } from "../../src/triggers/slack.ts";
import { accountSync } from "../../workflows/account-sync.ts";
import { approvalHook, expenseApproval } from "../../workflows/expense-approval.ts";
import { githubHook, githubTriage } from "../../workflows/github-triage.ts";
import { invoice } from "../../workflows/invoice.ts";
import { newsletter } from "../../workflows/newsletter.ts";
import { nightlyReport } from "../../workflows/nightly-report.ts";
import { orderFulfilment, ordersHook } from "../../workflows/order-fulfilment.ts";
import { trackParcel } from "../../workflows/parcel-tracking.ts";
import { printOrder, queues } from "../../workflows/print-shop.ts";
import { rollBack, stagedRollout } from "../../workflows/staged-rollout.ts";
import { groundTransport, notifyTraveller, tripBooking } from "../../workflows/trip-booking.ts";
import { type AnyWorkflow, cases, githubPayloads, outside, TRIAGE_URL } from "../support/examples.ts";
import { openLab } from "../support/lab.ts";

const DEVELOPMENT_SECRETS = {
  slack: "varve-development",
  github: "varve-development",
  orders: "whsec_dmFydmUtZGV2ZWxvcG1lbnQtb25seS0x",
};
const all: AnyWorkflow[] = [
  githubTriage,
  orderFulfilment,
  nightlyReport,
  newsletter,
  stagedRollout,
  rollBack,
  expenseApproval,
  tripBooking,
  groundTransport,
  notifyTraveller,
  accountSync,
  trackParcel,
  printOrder,
  invoice,
];

afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

describe("each example", () => {
  beforeEach(() => {
    vi.stubEnv("TRIAGE_URL", TRIAGE_URL);
    vi.stubGlobal("fetch", outside());
  });

  for (const { name, workflow, input, before, expected } of cases) {
    it(`comes to its result: ${name}`, async () => {
      const lab = openLab();
      const engine = await lab.engine({ workflows: all, queues });
      await before?.(engine);
      const run = await engine.start(workflow as AnyWorkflow, input as never);
      await lab.pass(3_600_000, 1_000);
      expect(await run.result()).toMatchObject(expected);
    });
  }

  it("account-sync books each entry once, however many runs there are at a time", async () => {
    const lab = openLab();
    const engines = [await lab.engine({ workflows: all, queues }), await lab.engine({ workflows: all, queues })];
    const runs = [];
    for (let i = 0; i < 6; i++) runs.push(await engines[i % 2]!.start(accountSync, { account: "acc-1" }));
    await lab.pass(20_000, 500);
    const results = await Promise.all(runs.map((run) => run.result()));
    expect(results.map(({ booked }) => booked).sort()).toEqual([0, 0, 0, 0, 0, 3]);
    expect(await engines[0]!.kv("global").get("entries-booked")).toBe(3);
    expect(await engines[0]!.locks()).toEqual([]);
  });

  it("account-sync asks a bank that is out of order no more, and again when its time is over", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues });
    let calls = 0;
    const answer = outside();
    vi.stubGlobal("fetch", (...args: Parameters<typeof fetch>) => {
      if (String(args[0]).startsWith("https://bank.invalid")) calls++;
      return answer(...args);
    });
    const sync = async () => {
      const run = await engine.start(accountSync, { account: "acc-1", bank: "https://bank.invalid/entries" });
      await lab.pass(10_000, 500);
      return await run.result();
    };
    for (let i = 0; i < 4; i++) expect((await sync()).status).toBe("bank is out of order");
    expect(calls).toBe(3);
    await lab.pass(60_000, 1_000);
    await sync();
    expect(calls).toBe(4);
  });

  it("expense-approval waits for somebody else's word, and no longer", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues });
    const run = await engine.start(expenseApproval, { id: "e-1", by: "ada", cents: 120_000 });
    await lab.pass(60_000, 10_000);
    await run.signal("decision", { by: "ada", approved: true });
    await lab.pass(60_000, 10_000);
    expect((await run.status()).status).toBe("waiting");
    await run.signal("decision", { by: "grace", approved: false, note: "too dear" });
    await lab.pass(2_000);
    expect(await run.result()).toEqual({ id: "e-1", status: "rejected", by: "grace", note: "too dear" });
    const small = await engine.start(expenseApproval, { id: "e-2", by: "ada", cents: 4_000 });
    await lab.settle();
    expect(await small.result()).toMatchObject({ status: "approved", by: "rule" });
  });

  it("trip-booking gives back what it has booked, the last first, and tells the traveller", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues });
    const run = await engine.start(tripBooking, { id: "t-2", to: "lis", seats: 900 });
    await lab.pass(5_000);
    await run.result();
    const back = engine.lines.filter(({ message }) => message === "given back").map(({ fields }) => fields?.["part"]);
    expect(back).toEqual(["hotel", "flight"]);
    expect(engine.lines.map(({ message }) => message)).toContain("your trip is called off");
  });

  it("tells the log what it did, once", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues });
    const { input } = cases.find(({ name }) => name === "nightly-report")!;
    await engine.start(nightlyReport, input as never);
    await lab.pass(20_000);
    expect(engine.lines.filter(({ message }) => message === "sources are read")).toMatchObject([
      { level: "info", fields: { workflow: "nightly-report", first: "everything", sections: 2, missing: 1 } },
    ]);
  });
});

describe("on a file, with nothing but the machine itself", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "varve-examples-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("every example comes to its result", async () => {
    const engine = await createEngine({ db: `file:${join(folder, "log.db")}`, workflows: all, queues });
    try {
      for (const { before } of cases) await before?.(engine);
      const started = await Promise.all([
        ...cases.map(async ({ workflow, input, expected }) => ({
          run: await engine.start(workflow, {
            ...(input as object),
            bake: "20ms",
            patience: "500ms",
            reminder: "20ms",
          } as never),
          expected: workflow === (githubTriage as AnyWorkflow) ? { ...expected, announced: false } : expected,
        })),
        engine
          .start(rollBack, { service: "checkout", version: "2" })
          .then((run) => ({ run, expected: { told: false } })),
      ]);
      for (const { run, expected } of started) expect(await run.result({ timeout: "20s" })).toMatchObject(expected);
    } finally {
      await engine.close();
    }
  });
});

describe("an example with a wrong input", () => {
  const wrong: [what: string, workflow: AnyWorkflow, input: unknown, path: string][] = [
    ["triage without an event", githubTriage, { payload: {} }, "event"],
    ["an order without lines", orderFulfilment, { id: "o-1", payment: "tok_visa", lines: [] }, "lines"],
    ["an order of minus one", orderFulfilment, { id: "o-1", payment: "tok_visa", lines: [{ quantity: -1 }] }, "lines"],
    ["an order whose payment is a card number", orderFulfilment, { id: "o-1", payment: "4242424242424242" }, "payment"],
    ["a report of no source", nightlyReport, { sources: [] }, "sources"],
    ["a report at no instant", nightlyReport, { publishAt: "tomorrow" }, "publishAt"],
    ["a newsletter for nobody", newsletter, { readers: [] }, "readers"],
    ["a newsletter to no address", newsletter, { readers: [{ name: "Ada", address: "ada" }] }, "address"],
    ["a newsletter of which half a mail may come back", newsletter, { bouncesMax: 0.5 }, "bouncesMax"],
    ["a roll-out of nothing", stagedRollout, { version: "1" }, "service"],
    ["a roll-out to 101 %", stagedRollout, { service: "s", version: "1", stages: [101] }, "stages"],
  ];
  for (const [what, workflow, input, path] of wrong) {
    it(`makes no run: ${what}`, async () => {
      const lab = openLab();
      const engine = await lab.engine({ workflows: all, queues });
      await expect(engine.start(workflow, input as never)).rejects.toMatchObject({
        code: "INPUT_INVALID",
        message: expect.stringContaining(path),
      });
      expect(await lab.rows(workflow.name)).toEqual([]);
    });
  }

  it("fails by a duration that is none, and says where", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues });
    const run = await engine.start(stagedRollout, { service: "s", version: "1", bake: "a while" });
    await lab.settle();
    await expect(run.result()).rejects.toMatchObject({ cause: { code: "DURATION_INVALID" } });
  });

  it("fails when no source can be read", async () => {
    vi.stubGlobal("fetch", outside());
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues });
    const sources = [{ name: "dead", mirrors: ["http://127.0.0.1:9/a.csv", "http://127.0.0.1:9/b.csv"] }];
    const run = await engine.start(nightlyReport, { sources });
    await lab.pass(60_000);
    await expect(run.result()).rejects.toMatchObject({
      cause: { code: "TERMINAL", message: "no source could be read: fetch failed" },
    });
  });

  it("goes on without the sources that are late", async () => {
    vi.stubGlobal("fetch", (url: string) => (url.includes("slow") ? new Promise(() => {}) : outside()(url)));
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues });
    const sources = [
      { name: "quick", mirrors: ["data:text/csv,order,amount%0Aa,1"] },
      { name: "slow", mirrors: ["https://slow.example/"] },
    ];
    const run = await engine.start(nightlyReport, { sources, patience: "5s" });
    await lab.pass(10_000);
    expect(await run.result()).toMatchObject({ total: 1, missing: { slow: "not there within 5s" } });
  });

  it("ends an order whose card is declined, without a parcel", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues });
    const lines = [{ sku: "mug", quantity: 1, cents: 900, grams: 300 }];
    const run = await engine.start(orderFulfilment, { id: "o-3", payment: "tok_declined", lines });
    await lab.settle();
    expect(await run.result()).toEqual({ id: "o-3", status: "declined", why: "the bank declined the card" });
    expect(await lab.story(run.id)).toEqual([
      "run.created",
      "attempt.started charge #1",
      "step.failed charge #1",
      "run.completed",
    ]);
  });
});

describe("the hook of GitHub", () => {
  it("makes one run of every payload that GitHub documents, and each comes to an outcome", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues, hooks: [githubHook] });
    const routes = new Map<string, number>();
    let deliveries = 0;
    for (const { name, examples } of githubPayloads) {
      const runs = [];
      for (const payload of examples) {
        const text = JSON.stringify(payload);
        const headers: [string, string][] = [
          ["X-GitHub-Event", name],
          ["X-GitHub-Delivery", crypto.randomUUID()],
          ["X-Hub-Signature-256", await sign(DEVELOPMENT_SECRETS.github, text)],
        ];
        const request = { headers, body: new TextEncoder().encode(text) };
        const outcome = await engine.deliver("github", request);
        if (name === "ping") {
          expect(outcome).toMatchObject({ decision: "ignored", reason: { code: "FILTERED" } });
          continue;
        }
        deliveries++;
        if (outcome.kind !== "accepted" || outcome.run === null) throw new Error(`${name} was ${outcome.kind}`);
        runs.push(outcome.run);
      }
      await lab.pass(3_000, 1_000);
      for (const run of runs) {
        const result = (await run.result()) as { event: string; title: string; route: string };
        expect(result).toMatchObject({ event: name, title: expect.stringMatching(/./), announced: false });
        routes.set(result.route, (routes.get(result.route) ?? 0) + 1);
      }
    }
    const taken = githubPayloads.filter(({ name }) => name !== "ping");
    expect(deliveries).toBe(taken.reduce((sum, { examples }) => sum + examples.length, 0));
    expect([...routes.keys()].sort()).toEqual(["backlog", "deploy-watch", "nobody", "review"]);
    expect(await lab.store.listRuns({ status: ["completed"] }, { before: null, limit: 500 })).toHaveLength(deliveries);
  });

  it("refuses what is not signed by its secret, and makes no run", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues, hooks: [githubHook] });
    const headers: [string, string][] = [
      ["x-github-event", "ping"],
      ["x-github-delivery", "d-1"],
      ["x-hub-signature-256", await sign("another secret", "{}")],
    ];
    const outcome = await engine.deliver("github", { headers, body: new TextEncoder().encode("{}") });
    expect(outcome).toMatchObject({ kind: "refused", reason: "signature-wrong" });
    expect(await lab.rows("github-triage")).toEqual([]);
  });
});

describe("the hook of orders", () => {
  const body = (data: unknown, type = "order.placed") =>
    JSON.stringify({ type, timestamp: "2026-01-01T00:00:00Z", data });

  async function post(text: string) {
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues, hooks: [ordersHook] });
    const at = new Date(lab.clock.now());
    const headers: [string, string][] = [
      ["webhook-id", "msg_1"],
      ["webhook-timestamp", String(Math.floor(at.getTime() / 1_000))],
      ["webhook-signature", new Webhook(DEVELOPMENT_SECRETS.orders).sign("msg_1", at, text)],
    ];
    const request = { headers, body: new TextEncoder().encode(text) };
    return { lab, deliver: () => engine.deliver("orders", request) };
  }

  it("makes one run of an order, however often it comes", async () => {
    const order = { id: "o-9", payment: "tok_visa", lines: [{ sku: "mug", quantity: 1, cents: 900, grams: 300 }] };
    const { lab, deliver } = await post(body(order));
    const outcomes = await Promise.all([deliver(), deliver(), deliver()]);
    await lab.settle();
    const runs = new Set(outcomes.map((outcome) => outcome.kind === "accepted" && outcome.run?.id));
    expect(runs.size).toBe(1);
    expect(await lab.rows("order-fulfilment")).toMatchObject([{ status: "completed" }]);
  });

  for (const [what, text] of [
    ["another event", body({}, "order.lost")],
    ["an order without lines", body({ id: "o-1", payment: "tok_visa" })],
    ["no object at all", "null"],
    ["no JSON", "{"],
  ] as const) {
    it(`refuses the body of a good signature and makes no run: ${what}`, async () => {
      const { lab, deliver } = await post(text);
      expect(await deliver()).toMatchObject({ kind: "invalid", reason: { code: "BODY_INVALID" } });
      expect(await lab.rows("order-fulfilment")).toEqual([]);
    });
  }
});

describe("the hook of approvals", () => {
  function click(runId: string, action: string, username: string): string {
    const payload = { type: "block_actions", user: { username }, actions: [{ action_id: action, value: runId }] };
    return `payload=${encodeURIComponent(JSON.stringify(payload))}`;
  }

  it("tells the run of a click, once, and ignores what is about nothing", async () => {
    const lab = openLab();
    const engine = await lab.engine({ workflows: all, queues, hooks: [approvalHook] });
    const post = async (body: string) => {
      const bytes = new TextEncoder().encode(body);
      const signed = await slack({ secrets: [DEVELOPMENT_SECRETS.slack] }).sign?.({
        body: bytes,
        id: "",
        at: lab.clock.now(),
      });
      return await engine.deliver("approvals", { headers: Object.entries(signed ?? {}), body: bytes });
    };
    const run = await engine.start(expenseApproval, { id: "e-9", by: "ada", cents: 9_900 });
    const body = click(run.id, "approve", "grace");
    expect(await post(body)).toMatchObject({ decision: "signalled", isRepeat: false });
    expect(await post(body)).toMatchObject({ decision: "signalled", isRepeat: true });
    await lab.settle();
    expect(await run.result()).toMatchObject({ status: "approved", by: "grace" });
    expect(await post("payload=%7B%7D")).toMatchObject({ decision: "ignored", reason: { code: "NO_RUN" } });
    expect(await post(click(run.id, "reject", "grace"))).toMatchObject({ reason: { code: "RUN_OVER" } });
  });
});

describe("the secrets of the hooks", () => {
  for (const [hook, variable] of [
    [githubHook, "GITHUB_WEBHOOK_SECRET"],
    [ordersHook, "ORDERS_WEBHOOK_SECRET"],
    [approvalHook, "SLACK_SIGNING_SECRET"],
  ] as const) {
    it(`are needed in production: ${variable}`, async () => {
      await expect(hook.scheme.check()).resolves.toBeUndefined();
      vi.stubEnv("NODE_ENV", "production");
      await expect(hook.scheme.check()).rejects.toMatchObject({ code: "SECRET_INVALID" });
      vi.stubEnv(variable, "whsec_YW5vdGhlciBzZWNyZXQgb2YgMjQgYnl0ZXMh");
      await expect(hook.scheme.check()).resolves.toBeUndefined();
    });
  }
});
