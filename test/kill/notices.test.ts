import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { expect, it } from "vitest";
import type { Notice } from "../../src/triggers/outgoing.ts";
import { startChild } from "../runtimes/child.ts";
import type { NoticesSetup } from "./notices-main.ts";
import { Place } from "./place.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const LIVES = 6;
const RUNS = 40;

/** How long an answer takes in which the sender can be killed. */
const ANSWER_MS = 15;

it("a sender that is killed between sending and recording sends again under the same id, and nothing is missing", {
  timeout: 90_000,
}, async () => {
  const webhook = new Webhook(SECRET);
  /** How often each run was told of under which id. */
  const got = new Map<string, string[]>();
  let requests = 0;
  let onRequest = () => {};
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = request.headers as Record<string, string>;
    const { data } = webhook.verify(Buffer.concat(chunks).toString(), headers) as Notice;
    got.set(data.runId, [...(got.get(data.runId) ?? []), headers["webhook-id"] ?? ""]);
    requests++;
    onRequest();
    setTimeout(() => response.writeHead(204).end(), ANSWER_MS);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const place = Place.open();
  try {
    const bundle = await place.bundle("test/kill/notices-main.ts");
    const start = (life: number, runs: number) => {
      const setup: NoticesSetup = { db: `file:${place.path}`, url, secret: SECRET, runs, life };
      return startChild<{ ready: boolean }>(process.execPath, [bundle, JSON.stringify(setup)]);
    };
    for (let life = 0; life < LIVES; life++) {
      const child = start(life, RUNS);
      await child.told(() => true);
      const killedAt = requests + 4 + life * 3;
      await new Promise<void>((resolve) => {
        onRequest = () => {
          // While the receiver has not answered yet: the sender has sent, and has recorded nothing.
          if (requests >= killedAt) resolve();
        };
      });
      await child.kill();
    }
    const last = start(LIVES, 0);
    await last.told(() => true);
    const completed = async () => {
      const rows = await place.store.listRuns({ status: ["completed"] }, { before: null, limit: 10_000 });
      const open = await place.store.listRuns({ status: ["pending", "running"] }, { before: null, limit: 1 });
      return open.length === 0 ? rows.map(({ id }) => id) : null;
    };
    for (;;) {
      const ids = await completed();
      const notices = await place.store.listNotices({
        endpoint: null,
        status: "delivered",
        before: null,
        limit: 10_000,
      });
      if (ids !== null && notices.length >= ids.length) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await last.kill();
    const ids = (await completed()) ?? [];
    const known = ids.filter((id) => got.has(id));
    expect(known.length).toBe(ids.length);
    expect(got.size).toBe(ids.length);
    expect([...got.values()].filter((webhookIds) => new Set(webhookIds).size !== 1)).toEqual([]);
    const repeated = [...got.values()].filter((webhookIds) => webhookIds.length > 1).length;
    console.log(`${ids.length} runs, ${requests} requests, ${repeated} of them sent again, after ${LIVES} kills`);
    expect(repeated).toBeGreaterThan(0);
  } finally {
    server.closeAllConnections();
    server.close();
    await place.close();
  }
});
