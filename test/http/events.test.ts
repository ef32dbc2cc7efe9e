import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { workflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import { createApp } from "../../src/http/index.ts";
import { KEEP_ALIVE_MS } from "../../src/http/sse.ts";
import { openLab } from "../support/lab.ts";
import { echo, openSite, problemOf, sleepy, type TestSite } from "./site.ts";
import { listen, type Message } from "./sse.ts";

let site: TestSite;
beforeEach(async () => {
  site = await openSite();
});
afterEach(async () => await site.close());

/** The whole log, as the stream would send it. */
async function log(engine: Engine): Promise<Message[]> {
  const messages: Message[] = [];
  const last = await engine.lastPosition();
  if (last === 0) return messages;
  for await (const event of engine.tail()) {
    messages.push({
      id: event.position,
      event: event.type,
      data: JSON.parse(JSON.stringify(event)) as Message["data"],
    });
    if (event.position >= last) break;
  }
  return messages;
}

async function runs(count: number): Promise<string[]> {
  const handles = await Promise.all(Array.from({ length: count }, (_, i) => site.engine.start(echo, i)));
  await Promise.all(handles.map(async (handle) => await handle.result()));
  return handles.map(({ id }) => id);
}

describe("the log as server-sent events", () => {
  test("holds every event once, in order, also those that come while it is read", async () => {
    await runs(3);
    const listening = listen(await site.get("/api/v1/events"));
    expect(await listening.nextPiece()).toBe("retry: 1000");
    const seen: Message[] = [(await listening.next()) as Message];
    await runs(3);
    const all = await log(site.engine);
    while (seen.length < all.length) seen.push((await listening.next()) as Message);
    expect(seen).toEqual(all);
    await listening.leave();
  });

  test("goes on after Last-Event-ID, wherever it broke off: nothing is lost, nothing comes twice", async () => {
    await runs(2);
    const all = await log(site.engine);
    expect(all.length).toBeGreaterThan(6);
    for (let cut = 0; cut <= all.length; cut++) {
      const first = listen(await site.get("/api/v1/events"));
      const seen: Message[] = [];
      while (seen.length < cut) seen.push((await first.next()) as Message);
      await first.leave();
      const id = seen.at(-1)?.id ?? 0;
      const again = listen(await site.ask("/api/v1/events", { headers: { "last-event-id": `${id}` } }));
      while (seen.length < all.length) seen.push((await again.next()) as Message);
      await again.leave();
      expect(seen, `cut after ${cut}`).toEqual(all);
    }
  });

  test("Last-Event-ID wins over after, which a client gave at first", async () => {
    await runs(1);
    const all = await log(site.engine);
    const byQuery = listen(await site.get(`/api/v1/events?after=${all[1]?.id}`));
    expect(await byQuery.next()).toEqual(all[2]);
    await byQuery.leave();
    const byHeader = listen(
      await site.ask("/api/v1/events?after=0", { headers: { "last-event-id": `${all[1]?.id}` } }),
    );
    expect(await byHeader.next()).toEqual(all[2]);
    await byHeader.leave();
  });

  test.each(["x", "-1", "1.5", "1e3", "0x1", "99999999999999999999", "9007199254740993", "1000000"])(
    "the position %s is refused",
    async (id) => {
      await runs(1);
      const byHeader = await site.ask("/api/v1/events", { headers: { "last-event-id": id } });
      expect(await problemOf(byHeader)).toMatchObject({ status: 400, code: "POSITION_INVALID" });
      const byQuery = await site.get(`/api/v1/events?after=${id}`);
      expect((await problemOf(byQuery)).status).toBe(400);
    },
  );

  test("says how far the log has come", async () => {
    expect(await (await site.get("/api/v1/log")).json()).toEqual({ lastPosition: 0 });
    await runs(1);
    const { lastPosition } = (await (await site.get("/api/v1/log")).json()) as { lastPosition: number };
    expect(lastPosition).toBe((await log(site.engine)).at(-1)?.id);
  });

  test("ends when the engine closes", async () => {
    const listening = listen(await site.get("/api/v1/events"));
    await listening.nextPiece();
    const end = listening.next();
    await site.close();
    expect(await end).toBeNull();
  });

  test("lets go of the log once its client has left, at an event or while it waits for one", async () => {
    for (const waits of [true, false]) {
      const letGo = readerEnds(site.engine);
      await site.engine.start(sleepy, null);
      const listening = listen(await site.get(`/api/v1/events?after=${await site.engine.lastPosition()}`));
      await site.engine.start(sleepy, null);
      await listening.next();
      const next = waits ? listening.next() : null;
      await listening.leave();
      await letGo;
      if (next !== null) expect(await next).toBeNull();
    }
  });

  test("ends when the log cannot be read, which is logged, so that the client connects again", async () => {
    const fail = () => Promise.reject(new Error("disk gone"));
    const broken = await openSite({ worker: false, over: (store) => Object.assign(store, { readLog: fail }) });
    expect(await listen(await broken.get("/api/v1/events")).rest()).toEqual([]);
    expect(broken.lines.at(-1)).toMatchObject({ level: "error", fields: { error: { message: "disk gone" } } });
    await broken.close();
  });

  test("an answer that is never read reads nothing itself", async () => {
    let reads = 0;
    const lazy = await openSite({
      worker: false,
      over: (store) => {
        const readLog = store.readLog.bind(store);
        return Object.assign(store, {
          readLog: async (page: Parameters<typeof readLog>[0]) => {
            reads++;
            return await readLog(page);
          },
        });
      },
    });
    expect((await lazy.ask("/api/v1/events", { method: "HEAD" })).status).toBe(200);
    expect((await lazy.get("/api/v1/events")).status).toBe(200);
    expect(reads).toBe(0);
    await lazy.close();
  });
});

/** Resolves when the next reader of the log has ended. */
async function readerEnds(engine: Engine): Promise<void> {
  const tail = engine.tail.bind(engine);
  await new Promise<void>((resolve) => {
    engine.tail = async function* (options) {
      try {
        yield* tail(options);
      } finally {
        resolve();
      }
    };
  });
  engine.tail = tail;
}

describe("one run as server-sent events", () => {
  test("holds its own events only, and ends with the run", async () => {
    const [other] = await runs(1);
    const run = await site.engine.start(echo, "mine");
    const messages = await listen(await site.get(`/api/v1/runs/${run.id}/events`)).rest();
    expect(messages.map(({ data }) => data)).toEqual(JSON.parse(JSON.stringify(await run.history())));
    expect(messages.at(-1)?.event).toBe("run.completed");
    expect(messages.some(({ data }) => data.runId === other)).toBe(false);
  });

  test("follows a run that goes on until it is cancelled", async () => {
    const run = await site.engine.start(sleepy, null);
    const listening = listen(await site.get(`/api/v1/runs/${run.id}/events`));
    expect((await listening.next())?.event).toBe("run.created");
    const rest = listening.rest();
    await run.cancel();
    expect((await rest).at(-1)?.event).toBe("run.cancelled");
  });

  test("goes on after Last-Event-ID, and says 204 when the client has all of it", async () => {
    const [id] = await runs(1);
    const path = `/api/v1/runs/${id}/events`;
    const all = await listen(await site.get(path)).rest();
    for (const [i, { id: position }] of all.entries()) {
      const response = await site.ask(path, { headers: { "last-event-id": `${position}` } });
      if (i === all.length - 1) expect(response.status).toBe(204);
      else expect(await listen(response).rest()).toEqual(all.slice(i + 1));
    }
  });

  test("an outcome that came after the end is sent too", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const hurried = workflow({ name: "hurried" }, async (ctx, _input: unknown) => {
      const slow = ctx.step("slow", () => held);
      const quick = ctx.step("quick", () => "done");
      return await Promise.race([slow.then(() => "slow"), quick]);
    });
    const late = await openSite({ workflows: [hurried] });
    const run = await late.engine.start(hurried, null);
    await run.result();
    const arrived = new Promise((resolve) => late.engine.on("attempt.late", resolve));
    release();
    await arrived;
    const messages = await listen(await late.get(`/api/v1/runs/${run.id}/events`)).rest();
    expect(messages.slice(-2).map(({ event }) => event)).toEqual(["run.completed", "attempt.late"]);
    await late.close();
  });
});

describe("an answer that goes on for long", () => {
  /** An app on a clock that is moved by hand. */
  async function openSlow() {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [echo], worker: false });
    const { id, token } = await engine.keys.create({ name: "reader", scopes: ["runs:read"] });
    const headers = { authorization: `Bearer ${token}` };
    const response = await createApp(engine).request("/api/v1/events", { headers });
    const listening = listen(response);
    expect(await listening.nextPiece()).toBe("retry: 1000");
    return { lab, engine, id, listening };
  }

  test("is kept alive by comments while nothing happens", async () => {
    const { lab, engine, listening } = await openSlow();
    for (let i = 0; i < 3; i++) {
      const piece = listening.nextPiece();
      await lab.pass(KEEP_ALIVE_MS);
      expect(await piece).toBe(": keep-alive");
    }
    const message = listening.next();
    await engine.start(echo, 1);
    await lab.pass(KEEP_ALIVE_MS);
    expect((await message)?.event).toBe("run.created");
    await listening.leave();
  });

  test("ends when its key is revoked", async () => {
    const { lab, engine, id, listening } = await openSlow();
    await engine.keys.revoke(id);
    const piece = listening.nextPiece();
    await lab.pass(KEEP_ALIVE_MS);
    expect(await piece).toBeNull();
  });
});
