import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { workflow } from "../../src/ctx/workflow.ts";
import { TerminalError } from "../../src/kernel/errors.ts";
import type { Outbound } from "../../src/kernel/ports.ts";
import { notify } from "../../src/outgoing/notify.ts";
import type { Notice, NotifyOptions } from "../../src/triggers/outgoing.ts";
import { env } from "../../src/triggers/secrets.ts";
import { type EngineSetup, type Lab, openLab } from "../support/lab.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const charge = workflow({ name: "charge" }, async (ctx, input: { fails?: boolean }) => {
  await ctx.step(
    "pay",
    () => {
      if (input.fails === true) throw new TerminalError("declined", { code: "DECLINED" });
      return 7;
    },
    { retry: { attempts: 1 } },
  );
  return "paid";
});
const other = workflow({ name: "other" }, async () => "done");

const HOUR_MS = 3_600_000;

interface Got {
  readonly url: string;
  readonly id: string;
  readonly notice: Notice;
  readonly headers: Readonly<Record<string, string>>;
}

type Answer = number | readonly [status: number, retryAfter: string] | "error" | "silence";

/** A receiver that answers as it is told, and with 200 when it is told nothing. */
function receiver(addresses: readonly string[] = ["93.184.216.34"]) {
  const got: Got[] = [];
  const answers: Answer[] = [];
  const always: { answer: Answer | null } = { answer: null };
  const outbound: Outbound = {
    post: async ({ url, headers, body, signal, allows }) => {
      const refused = addresses.find((address) => allows?.(address) === false);
      if (refused !== undefined) return { kind: "refused", address: refused };
      got.push({ url, headers, id: headers["webhook-id"] ?? "", notice: JSON.parse(body) });
      const answer = answers.shift() ?? always.answer ?? 200;
      if (answer === "error") throw new Error("connection refused");
      if (answer === "silence") {
        return await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
      }
      if (typeof answer === "number") return { kind: "answer", status: answer, retryAfter: null };
      return { kind: "answer", status: answer[0], retryAfter: answer[1] };
    },
  };
  return { got, answers, always, outbound };
}

const endpoint = (more: Partial<NotifyOptions> = {}): NotifyOptions => {
  return { name: "billing", url: "https://example.com/hook", secrets: [SECRET], events: ["run.completed"], ...more };
};

async function opened(
  notified: readonly NotifyOptions[],
  outbound: Outbound,
  { lab = openLab(), ...setup }: Partial<EngineSetup> & { readonly lab?: Lab } = {},
) {
  const endpoints = notified.map((options) => notify(options));
  const engine = await lab.engine({ workflows: [charge, other], notify: endpoints, outbound, ...setup });
  await lab.settle();
  return { lab, engine };
}

describe("an endpoint is told", () => {
  it("of the events that it asks for, of the workflows that it names, in order and once", async () => {
    const { got, outbound } = receiver();
    const events = ["run.created", "step.failed", "run.completed", "run.failed"] as const;
    const { lab, engine } = await opened([endpoint({ events, workflow: "charge", output: true })], outbound);
    const good = await engine.start(charge, {});
    await lab.settle();
    await engine.start(other, undefined);
    await lab.settle();
    const bad = await engine.start(charge, { fails: true });
    await lab.pass(5_000);
    expect(got.map(({ notice: { type, data } }) => [type, data.runId])).toEqual([
      ["run.created", good.id],
      ["run.completed", good.id],
      ["run.created", bad.id],
      ["step.failed", bad.id],
      ["run.failed", bad.id],
    ]);
    expect(got[1]?.notice.data).toMatchObject({ workflow: "charge", version: "1", output: "paid" });
    expect(got[3]?.notice.data).toMatchObject({ key: "pay", error: { message: "declined", code: "DECLINED" } });
    const { notifications } = await engine.notifications.list();
    expect(notifications.map(({ id, status, tries }) => [id, status, tries])).toEqual(
      got.map(({ id }) => [id, "delivered", 1]).reverse(),
    );
  });

  it("of what its filter lets through; one that throws lets through, and is logged", async () => {
    const { got, outbound } = receiver();
    const filter = ({ data }: Notice) => {
      if (data.workflow === "other") throw new Error("broken filter");
      return data.seq < 0;
    };
    const { lab, engine } = await opened([endpoint({ filter })], outbound);
    await engine.start(charge, {});
    const run = await engine.start(other, undefined);
    await lab.pass(2_000);
    expect(got.map(({ notice }) => notice.data.runId)).toEqual([run.id]);
    expect(engine.lines.filter(({ message }) => message.includes("filter"))).toHaveLength(1);
  });

  it("of all that came while it was away; the log keeps what is beyond a thousand", async () => {
    const { got, always, outbound } = receiver();
    always.answer = "error";
    const busy = workflow({ name: "busy" }, async (ctx, steps: number) => {
      for (let n = 0; n < steps; n++) await ctx.step("work", () => n);
    });
    const { lab, engine } = await opened([endpoint({ events: ["step.completed"] })], outbound, { workflows: [busy] });
    const runs = await Promise.all([900, 900].map((steps) => engine.start(busy, steps)));
    for (let i = 0; i < 40; i++) await lab.pass(1_000, 100);
    for (const run of runs) expect((await run.status()).status).toBe("completed");
    const hold = await lab.store.holdEndpoint({ endpoint: "billing", holder: "look", leaseMs: 1, takeOver: true });
    expect(hold?.pending).toBeGreaterThanOrEqual(1_000);
    expect(hold?.pending).toBeLessThan(1_500);
    always.answer = null;
    got.length = 0;
    await lab.pass(7_200_000, 60_000);
    const told = new Set(got.map(({ notice: { data } }) => `${data.runId} ${data.seq}`));
    expect([told.size, got.length]).toEqual([1_800, 1_800]);
  }, 60_000);

  it("of what comes after it was first seen, also if no engine was there then", async () => {
    const { got, outbound } = receiver();
    const lab = openLab();
    const before = await lab.engine({ workflows: [charge, other] });
    await before.start(charge, {});
    await lab.pass(1_000);
    const first = await opened([endpoint()], outbound, { lab });
    await lab.pass(1_000);
    expect(got).toEqual([]);
    await first.engine.close();
    const missed = await before.start(charge, {});
    await lab.pass(1_000);
    await before.close();
    await opened([endpoint()], outbound, { lab });
    await lab.pass(2_000);
    expect(got.map(({ notice }) => notice.data.runId)).toEqual([missed.id]);
  });

  it("by an engine that works: one without a worker sends nothing", async () => {
    const { got, outbound } = receiver();
    const { lab, engine } = await opened([endpoint({ events: ["run.created"] })], outbound, { worker: false });
    await engine.start(charge, {});
    await lab.pass(10_000);
    expect(got).toEqual([]);
    expect(await engine.notifications.endpoints()).toEqual([]);
  });

  it("of many events, though it is slow, by at most eight requests at once", async () => {
    const { got, outbound, always } = receiver();
    let [now, most] = [0, 0];
    const counted: Outbound = {
      ...outbound,
      post: async (request) => {
        most = Math.max(most, ++now);
        await Promise.resolve();
        try {
          return await outbound.post(request);
        } finally {
          now--;
        }
      },
    };
    always.answer = 204;
    const { lab, engine } = await opened([endpoint({ events: ["run.created"] })], counted);
    for (let i = 0; i < 40; i++) await engine.start(other, undefined);
    await lab.pass(20_000);
    expect(new Set(got.map(({ id }) => id)).size).toBe(40);
    expect(got).toHaveLength(40);
    expect(most).toBeLessThanOrEqual(8);
  });
});

describe("what is not taken", () => {
  it("is sent again under the same id, later each time, until it is", async () => {
    const { got, answers, outbound } = receiver();
    answers.push(500, "error", 302);
    const { lab, engine } = await opened([endpoint()], outbound);
    await engine.start(charge, {});
    await lab.pass(2_000);
    expect(got).toHaveLength(1);
    const [waiting] = (await engine.notifications.list({ status: "pending" })).notifications;
    expect(waiting).toMatchObject({ tries: 1, note: "answered 500", endedAt: null });
    await lab.pass(120_000, 1_000);
    expect(got).toHaveLength(4);
    expect(new Set(got.map(({ id }) => id)).size).toBe(1);
    expect(new Set(got.map(({ headers }) => headers["webhook-timestamp"])).size).toBe(4);
    expect((await engine.notifications.list()).notifications).toMatchObject([{ status: "delivered", tries: 4 }]);
  });

  it("is given up after a time, kept, and retried by hand", async () => {
    const { got, always, outbound } = receiver();
    always.answer = 500;
    const { lab, engine } = await opened([endpoint({ giveUpAfter: "1m" })], outbound);
    await engine.start(charge, {});
    await lab.pass(5 * 60_000, 2_000);
    const [dead] = (await engine.notifications.list({ status: "dead" })).notifications;
    expect(dead).toMatchObject({ status: "dead", dueAt: null, note: expect.stringContaining("given up") });
    expect(engine.lines.some(({ message }) => message.includes("given up"))).toBe(true);
    const sent = got.length;
    always.answer = null;
    expect(await engine.notifications.retry("billing")).toBe(1);
    await lab.pass(1_000);
    expect(got).toHaveLength(sent + 1);
    expect((await engine.notifications.list()).notifications).toMatchObject([{ status: "delivered", tries: 1 }]);
    expect(await engine.notifications.retry("billing")).toBe(0);
    expect(await engine.notifications.retry("billing", dead?.position)).toBe(1);
    await lab.pass(1_000);
    expect(got).toHaveLength(sent + 2);
  });

  it("is not waited for longer than the time-out", async () => {
    const { got, answers, outbound } = receiver();
    answers.push("silence");
    const { lab, engine } = await opened([endpoint({ timeout: "3s" })], outbound);
    await engine.start(charge, {});
    await lab.pass(2_500);
    expect((await engine.notifications.list()).notifications).toMatchObject([{ tries: 0 }]);
    await lab.pass(1_000);
    const note = "no answer within 3000 ms";
    expect((await engine.notifications.list()).notifications).toMatchObject([{ tries: 1, note }]);
    await lab.pass(60_000, 1_000);
    expect(got).toHaveLength(2);
  });

  it("leaves the receiver alone for as long as it asks, with all of its notices", async () => {
    const { got, answers, outbound } = receiver();
    answers.push([429, "3600"]);
    const { lab, engine } = await opened([endpoint()], outbound);
    await engine.start(charge, {});
    await lab.pass(1_000);
    await engine.start(charge, {});
    await lab.pass(HOUR_MS - 60_000, 30_000);
    expect(got).toHaveLength(1);
    await lab.pass(120_000, 2_000);
    expect(got).toHaveLength(3);
    expect(new Set(got.map(({ id }) => id)).size).toBe(2);
  });

  it("because the endpoint is gone disables it, until it is enabled", async () => {
    const { got, answers, outbound } = receiver();
    answers.push(410);
    const { lab, engine } = await opened([endpoint()], outbound);
    await engine.start(charge, {});
    await lab.pass(1_000);
    await engine.start(charge, {});
    await lab.pass(HOUR_MS, 30_000);
    expect(got).toHaveLength(1);
    expect(await engine.notifications.endpoints()).toMatchObject([{ name: "billing", disabledAt: expect.any(Number) }]);
    await engine.notifications.enable("billing");
    await lab.pass(10_000);
    expect(got).toHaveLength(2);
    expect(got[1]?.id).not.toBe(got[0]?.id);
    expect((await engine.notifications.list()).notifications.map(({ status }) => status)).toEqual([
      "delivered",
      "dead",
    ]);
  });

  it("to a private address is not sent at all, unless that is allowed", async () => {
    const { got, outbound } = receiver(["93.184.216.34", "10.0.0.7"]);
    const refused = await opened([endpoint()], outbound);
    await refused.engine.start(charge, {});
    await refused.lab.pass(2_000);
    expect(got).toEqual([]);
    const [notice] = (await refused.engine.notifications.list()).notifications;
    expect(notice).toMatchObject({ tries: 1, note: expect.stringContaining("private network") });

    const allowed = await opened([endpoint({ url: "http://10.0.0.7/", allowPrivate: true })], outbound);
    await allowed.engine.start(charge, {});
    await allowed.lab.pass(2_000);
    expect(got).toHaveLength(1);
  });
});

describe("secrets by reference", () => {
  const secret = (fill: number) => `whsec_${Buffer.alloc(32, fill).toString("base64")}`;
  const byReference = endpoint({ secrets: env("NEW_SECRET", "OLD_SECRET") });

  it("are looked up at each sending: with two, each signs, and one that has gone signs no more", async () => {
    const { got, outbound } = receiver();
    const vault = new Map([
      ["NEW_SECRET", secret(1)],
      ["OLD_SECRET", secret(2)],
    ]);
    const asked: string[] = [];
    const secrets = (name: string) => {
      asked.push(name);
      return vault.get(name);
    };
    const { lab, engine } = await opened([byReference], outbound, { secrets });
    await engine.start(charge, {});
    await lab.pass(2_000);
    vault.set("OLD_SECRET", "");
    await engine.start(charge, {});
    await lab.pass(2_000);
    const signatures = got.map(({ headers }) => headers["webhook-signature"]?.split(" ") ?? []);
    expect(signatures.map((each) => each.length)).toEqual([2, 1]);
    const [{ id, headers, notice }] = got as [Got];
    const at = new Date(Number(headers["webhook-timestamp"]) * 1_000);
    const signedBy = (fill: number) => new Webhook(secret(fill)).sign(id, at, JSON.stringify(notice));
    expect(signatures[0]).toEqual([signedBy(1), signedBy(2)]);
    expect(new Set(asked)).toEqual(new Set(["NEW_SECRET", "OLD_SECRET"]));
    expect(JSON.stringify([engine.lines, await engine.notifications.list()])).not.toContain("whsec_");
  });

  it("must be there, and of the right form, when the engine is made; the error shows none", async () => {
    const { outbound } = receiver();
    const made = (secrets?: (name: string) => string | undefined) =>
      opened([byReference], outbound, secrets === undefined ? {} : { secrets }).catch((thrown) => thrown);
    expect(await made((name) => (name === "NEW_SECRET" ? secret(1) : undefined))).toMatchObject({
      code: "SECRET_INVALID",
      message: expect.stringMatching(/endpoint "billing".*OLD_SECRET; set them/),
      facts: { endpoint: "billing", missing: ["OLD_SECRET"] },
    });
    expect(await made()).toMatchObject({
      code: "SECRET_INVALID",
      message: expect.stringContaining("option `secrets`"),
    });
    const malformed = await made(() => "not a secret of theirs");
    expect(malformed).toMatchObject({ code: "ENDPOINT_INVALID" });
    expect(malformed.message).not.toContain("of theirs");
  });
});

describe("one sends at a time", () => {
  it("of two engines; when it stops the other goes on, and nothing is sent twice", async () => {
    const lab = openLab();
    const [a, b] = [receiver(), receiver()];
    const first = await opened([endpoint({ events: ["run.created"] })], a.outbound, { lab });
    const second = await opened([endpoint({ events: ["run.created"] })], b.outbound, { lab });
    for (let i = 0; i < 3; i++) await first.engine.start(other, undefined);
    await lab.pass(5_000);
    expect([a.got.length, b.got.length]).toEqual([3, 0]);
    await first.engine.close();
    for (let i = 0; i < 3; i++) await second.engine.start(other, undefined);
    await lab.pass(15_000);
    expect([a.got.length, b.got.length]).toEqual([3, 3]);
    expect(new Set([...a.got, ...b.got].map(({ id }) => id)).size).toBe(6);
  });

  it("and one that dies after it has sent is followed by another, which sends again what was not recorded", async () => {
    const lab = openLab();
    const [a, b] = [receiver(), receiver()];
    const first = await opened([endpoint({ events: ["run.created"] })], a.outbound, { lab });
    const post = a.outbound.post;
    Object.assign(a.outbound, {
      post: async (request: Parameters<Outbound["post"]>[0]) => {
        const answer = await post(request);
        first.engine.kill();
        return answer;
      },
    });
    await first.engine.start(other, undefined);
    await lab.pass(1_000);
    expect(a.got).toHaveLength(1);
    await opened([endpoint({ events: ["run.created"] })], b.outbound, { lab });
    await lab.pass(30_000, 1_000);
    expect(b.got).toEqual([]);
    await lab.pass(60_000, 1_000);
    expect(b.got.map(({ id }) => id)).toEqual(a.got.map(({ id }) => id));
  });
});

describe("an isolate", () => {
  it("sends when it ticks, and says when it is needed next", async () => {
    const { got, answers, outbound } = receiver();
    answers.push(500);
    const { lab, engine } = await opened([endpoint({ events: ["run.created"] })], outbound, { worker: false });
    const tick = async () => {
      const ticking = engine.tick({ budgetMs: 5_000 });
      await lab.pass(6_000);
      return await ticking;
    };
    await tick();
    await engine.start(other, undefined);
    const { nextAt } = await tick();
    expect(got).toHaveLength(1);
    expect(nextAt).toBeGreaterThan(lab.clock.now() - 6_000);
    await lab.pass(10_000);
    expect(await tick()).toMatchObject({ more: false, nextAt: null });
    expect(new Set(got.map(({ id }) => id)).size).toBe(1);
    expect(got).toHaveLength(2);
  });
});

describe("notifications", () => {
  it("are listed in pages, by endpoint and status", async () => {
    const { outbound, answers } = receiver();
    answers.push(500);
    const more = { events: ["run.created"], giveUpAfter: "1s" } as const;
    const { lab, engine } = await opened([endpoint(more), endpoint({ ...more, name: "audit" })], outbound);
    for (let i = 0; i < 3; i++) await engine.start(other, undefined);
    await lab.pass(2_000);
    const first = await engine.notifications.list({ limit: 4 });
    const second = await engine.notifications.list({ limit: 4, cursor: first.cursor ?? "" });
    expect([first.notifications.length, second.notifications.length, second.cursor]).toEqual([4, 2, null]);
    expect(new Set([...first.notifications, ...second.notifications].map(({ id }) => id)).size).toBe(6);
    expect((await engine.notifications.list({ endpoint: "audit" })).notifications).toHaveLength(3);
    expect((await engine.notifications.list({ status: "dead" })).notifications).toHaveLength(1);
  });

  it("refuse what does not fit", async () => {
    const { outbound } = receiver();
    const { engine } = await opened([endpoint()], outbound);
    await expect(engine.notifications.list({ status: "lost" as never })).rejects.toThrow(/pending, delivered, dead/);
    await expect(engine.notifications.list({ cursor: "x" })).rejects.toMatchObject({ code: "OPTION_INVALID" });
    await expect(engine.notifications.list({ limit: 0 })).rejects.toMatchObject({ code: "LIMIT_INVALID" });
    await expect(engine.notifications.retry("nobody")).rejects.toMatchObject({ code: "ENDPOINT_NOT_FOUND" });
    await expect(engine.notifications.enable("nobody")).rejects.toMatchObject({ code: "ENDPOINT_NOT_FOUND" });
    await expect(engine.notifications.retry("billing", 99)).rejects.toMatchObject({ code: "NOTIFICATION_NOT_FOUND" });
    await expect(engine.notifications.retry("billing", -1)).rejects.toMatchObject({ code: "OPTION_INVALID" });
    await engine.close();
    await expect(engine.notifications.list()).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
  });

  it("need endpoints that differ in name", async () => {
    const { outbound } = receiver();
    await expect(opened([endpoint(), endpoint()], outbound)).rejects.toMatchObject({ code: "ENDPOINT_INVALID" });
  });
});
