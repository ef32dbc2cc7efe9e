/** Outgoing webhooks over HTTP and through the client: the same as the engine's own. */
import { describe, expect, it, onTestFinished } from "vitest";
import { createClientOf } from "../../src/client/client.ts";
import { workflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import type { Notifications } from "../../src/engine/api-notifications.ts";
import { createApp } from "../../src/http/app.ts";
import type { Outbound } from "../../src/kernel/ports.ts";
import { notify } from "../../src/outgoing/notify.ts";
import { systemClock } from "../../src/runtime/system.ts";
import { openLab } from "../support/lab.ts";

const ping = workflow({ name: "ping" }, async () => "pong");

const outbound: Outbound = {
  post: async ({ url }) => ({ kind: "answer", status: url.endsWith("/gone") ? 410 : 204, retryAfter: null }),
};

async function opened() {
  const lab = openLab();
  const shared = { secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], events: ["run.created"] } as const;
  const endpoints = [
    notify({ ...shared, name: "good", url: "https://example.com/good" }),
    notify({ ...shared, name: "gone", url: "https://example.com/gone" }),
  ];
  const engine = await lab.engine({ workflows: [ping], notify: endpoints, outbound });
  onTestFinished(() => engine.close());
  await lab.settle();
  const { token } = await engine.keys.create({ name: "test", scopes: ["runs:read", "runs:write"] });
  const reading = await engine.keys.create({ name: "reading", scopes: ["runs:read"] });
  const app = createApp(engine as Engine);
  const request = (path: string, key: string, init: RequestInit = {}) =>
    app.fetch(
      new Request(`https://varve.test/api/v1${path}`, {
        ...init,
        headers: { authorization: `Bearer ${key}`, ...init.headers },
      }),
    );
  const client = createClientOf({
    url: "https://varve.test",
    key: token,
    fetch: async (url, init) => await app.fetch(new Request(url, init)),
    clock: systemClock,
  });
  for (let i = 0; i < 3; i++) await engine.start(ping, undefined);
  await lab.pass(2_000);
  return { lab, engine, client, request, reader: reading.token };
}

describe("notifications over HTTP", () => {
  it("are those of the engine", async () => {
    const { engine, client } = await opened();
    const looks = async (of: Notifications) => [
      await of.endpoints(),
      await of.list(),
      await of.list({ endpoint: "good", limit: 2 }),
      await of.list({ status: "dead" }),
    ];
    const direct = await looks(engine.notifications);
    expect(await looks(client.notifications)).toEqual(direct);
    const { cursor } = await client.notifications.list({ endpoint: "good", limit: 2 });
    const rest = await client.notifications.list({ endpoint: "good", limit: 2, cursor: cursor ?? "" });
    expect(rest.notifications).toHaveLength(1);
  });

  it("are retried and enabled", async () => {
    const { lab, engine, client } = await opened();
    const [dead] = (await client.notifications.list({ status: "dead" })).notifications;
    expect(await client.notifications.retry("gone", dead?.position)).toBe(1);
    expect((await engine.notifications.endpoints())[0]?.disabledAt).not.toBeNull();
    await client.notifications.enable("gone");
    expect((await engine.notifications.endpoints())[0]?.disabledAt).toBeNull();
    await lab.pass(6_000);
    expect(await client.notifications.retry("gone")).toBeGreaterThan(0);
  });

  it("refuse with the engine's errors", async () => {
    const { client } = await opened();
    await expect(client.notifications.retry("nobody")).rejects.toMatchObject({ code: "ENDPOINT_NOT_FOUND" });
    await expect(client.notifications.enable("nobody")).rejects.toMatchObject({ code: "ENDPOINT_NOT_FOUND" });
    await expect(client.notifications.retry("good", 9_999)).rejects.toMatchObject({ code: "NOTIFICATION_NOT_FOUND" });
    await expect(client.notifications.list({ cursor: "?" })).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });

  it("may be looked at by who reads, and changed by who writes", async () => {
    const { request, reader } = await opened();
    expect((await request("/notifications", reader)).status).toBe(200);
    expect((await request("/notifications/endpoints", reader)).status).toBe(200);
    expect((await request("/notifications?status=lost", reader)).status).toBe(400);
    const json = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
    for (const verb of ["retry", "enable"]) {
      expect((await request(`/notifications/endpoints/good/${verb}`, reader, json)).status).toBe(403);
    }
  });
});
