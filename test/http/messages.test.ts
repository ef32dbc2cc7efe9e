/** Messages over HTTP, by hand and by the client. */
import { cel, workflow } from "varve";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClientOf } from "../../src/client/client.ts";
import { realPorts } from "../support/ports.ts";
import { openSite, problemOf, type TestSite } from "./site.ts";

const listens = workflow(
  { name: "listens", on: [{ topic: "orders.*", match: cel("message.payload.total > 10") }] },
  async (_ctx, input: unknown) => input,
);

let site: TestSite;
beforeAll(async () => {
  site = await openSite({ workflows: [listens] });
});
afterAll(async () => await site.close());

const decided = async (topic: string, id: string) => {
  await expect.poll(async () => (await site.engine.message(topic, id)).dispatchedAt).not.toBeNull();
};

describe("messages over HTTP", () => {
  it("are published once under an id, of the body or the header, and show what became of them", async () => {
    const body = { payload: { total: 11 }, at: 7, tags: { t: "x" } };
    const first = await site.post("/api/v1/messages/orders.paid", { ...body, id: "m-1" });
    expect(first.status).toBe(201);
    const published = { topic: "orders.paid", id: "m-1", position: expect.any(Number) };
    expect(await first.json()).toEqual({ ...published, created: true });
    const again = await site.post("/api/v1/messages/orders.paid", body, { "idempotency-key": "m-1" });
    expect([again.status, await again.json()]).toEqual([200, { ...published, created: false }]);
    await decided("orders.paid", "m-1");
    const response = await site.get("/api/v1/messages/orders.paid/m-1");
    expect(await response.json()).toMatchObject({
      ...{ ...published, payload: { total: 11 }, at: 7, tags: { t: "x" }, more: false },
      decisions: [{ subject: "listens/orders.*", decision: "started", reason: null, runId: expect.any(String) }],
    });
    const list = await site.get("/api/v1/messages?topic=orders.paid&limit=1");
    expect(await list.json()).toMatchObject({ messages: [{ id: "m-1", payload: { total: 11 } }], cursor: null });
  });

  it.each([
    ["/api/v1/messages/a..b", {}, 400, "TOPIC_INVALID"],
    ["/api/v1/messages/varve.run.completed", {}, 400, "TOPIC_INVALID"],
    ["/api/v1/messages/a", { payload: 1, when: 2 }, 400, "REQUEST_INVALID"],
    ["/api/v1/messages/a", { id: "" }, 400, "REQUEST_INVALID"],
  ])("%s with %j is refused", async (path, body, status, code) => {
    const problem = await problemOf(await site.post(path, body));
    expect([problem.status, problem.code]).toEqual([status, code]);
  });

  it("may have any id that an address can hold", async () => {
    const { app } = site;
    const key = await site.token("runs:read", "runs:write");
    const fetch = async (url: string, init: RequestInit) => await app.fetch(new Request(url, init));
    const client = createClientOf({
      url: "http://varve.test",
      key,
      fetch: fetch as never,
      clock: realPorts().clock,
    });
    for (const id of ["a/b", "/", "%2e%2e", "./..", " ?#"]) {
      await client.publish("odd.ids", 1, { id });
      expect(await client.message("odd.ids", id)).toMatchObject({ id, payload: 1 });
    }
    for (const id of [".", ".."]) {
      await expect(client.publish("odd.ids", 1, { id })).rejects.toMatchObject({ code: "NAME_INVALID" });
      await expect(client.message("odd.ids", id)).rejects.toMatchObject({ code: "NAME_INVALID" });
    }
  });

  it("need a key that may write, and one that may read", async () => {
    const token = await site.token("runs:read");
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const refused = await site.app.request("/api/v1/messages/a", { method: "POST", body: "{}", headers });
    expect(refused.status).toBe(403);
    expect((await site.app.request("/api/v1/messages", { headers })).status).toBe(200);
    expect((await problemOf(await site.get("/api/v1/messages/a/none"))).code).toBe("MESSAGE_NOT_FOUND");
  });
});

describe("the client", () => {
  it("publishes, lists and shows as the engine does, whatever is in a payload or an id", async () => {
    const url = "http://127.0.0.1";
    const key = await site.token("runs:read", "runs:write");
    const fetch = async (address: string, init: object) => await site.app.request(address, init);
    const client = createClientOf({ url, key, fetch, clock: realPorts().clock });
    const payload = { at: new Date(7), total: 3n };
    const id = "a/b?c#d e";
    const published = await client.publish("orders.late", payload, { id, at: new Date(9) });
    expect(published).toMatchObject({ topic: "orders.late", id, created: true });
    await decided("orders.late", id);
    const shown = await client.message("orders.late", id);
    expect(shown).toEqual(await site.engine.message("orders.late", id));
    expect(shown).toMatchObject({ payload, at: 9, decisions: [{ decision: "filtered" }] });
    expect(await client.messages({ topic: "orders.late", limit: 1 })).toEqual(
      await site.engine.messages({ topic: "orders.late", limit: 1 }),
    );
    await expect(client.message("orders.late", "none")).rejects.toMatchObject({ code: "MESSAGE_NOT_FOUND" });
    await expect(client.publish("a b", 1)).rejects.toMatchObject({ code: "TOPIC_INVALID" });
  });
});
