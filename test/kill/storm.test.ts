/** Deliveries that come several times, shuffled and at once, to a server that dies between commits and answers. */
import { createHmac } from "node:crypto";
import { Agent, request } from "node:http";
import { expect, it } from "vitest";
import { Prng } from "../../src/testing/prng.ts";
import { type Child, startChild } from "../runtimes/child.ts";
import { Place } from "./place.ts";
import type { StormSetup, StormTold } from "./storm-main.ts";

const SEED = Number(process.env.KILL_SEED ?? 20_261_122);
/** 5,000 in the long form. */
const DELIVERIES = Number(process.env.KILL_DELIVERIES ?? 800);
const TIMES_MAX = 5;
const AT_ONCE = 48;
/** How many answers a server gives before it dies. */
const ANSWERS = [100, 700] as const;
const SECRET = "It's a Secret to Everybody";

interface Delivery {
  readonly hook: "all" | "even";
  readonly id: string;
  readonly n: number;
}

interface Answer {
  readonly runId: string | null;
  readonly created: boolean;
  readonly decision: string;
}

/** What a sender is told, or null: it is not known what became of its request. */
async function send(agent: Agent, base: string, { hook, id, n }: Delivery): Promise<Answer | null> {
  const body = JSON.stringify({ n });
  const signature = `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`;
  const headers = { "x-github-delivery": id, "x-hub-signature-256": signature, "content-length": body.length };
  return await new Promise((resolve, reject) => {
    const sent = request(`${base}/${hook}`, { method: "POST", headers, agent }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("error", () => resolve(null));
      response.on("end", () => {
        if (response.statusCode === 202) resolve(JSON.parse(text) as Answer);
        else reject(new Error(`${response.statusCode} ${text}`));
      });
    });
    sent.on("error", () => resolve(null));
    sent.end(body);
  });
}

it(`${DELIVERIES} deliveries, each sent 1 to ${TIMES_MAX} times at once to a server that dies between commit and answer, are as many decisions`, {
  timeout: 60_000 + DELIVERIES * 60,
}, async () => {
  const place = Place.open();
  const prng = new Prng(`storm ${SEED}`);
  const bundle = await place.bundle("test/kill/storm-main.ts");
  const deliveries = Array.from({ length: DELIVERIES }, (_, i): Delivery => {
    return { hook: i % 3 === 0 ? "even" : "all", id: `d-${i}`, n: i };
  });
  const isTaken = ({ hook, n }: Delivery) => hook === "all" || n % 2 === 0;
  const queue = shuffled(
    prng,
    deliveries.flatMap((each) => Array.from({ length: prng.int(1, TIMES_MAX) }, () => each)),
  );
  const answers = new Map<string, Answer[]>();
  let deaths = 0;
  let lost = 0;
  let child: Child<StormTold> | null = null;
  const boot = async (answers: number | null): Promise<string> => {
    const setup: StormSetup = { db: `file:${place.path}`, secret: SECRET, answers };
    child = startChild<StormTold>(process.execPath, [bundle, JSON.stringify(setup)]);
    return (await child.told(() => true)).url;
  };
  try {
    const sent = queue.length;
    while (queue.length > 0) {
      const base = await boot(prng.int(...ANSWERS));
      const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
      let isDead = false;
      const sender = async () => {
        while (!isDead) {
          const each = queue.pop();
          if (each === undefined) return;
          const answer = await send(agent, base, each);
          if (answer === null) {
            // As senders do: once more, later.
            isDead = true;
            lost++;
            queue.unshift(each);
          } else answers.set(each.id, [...(answers.get(each.id) ?? []), answer]);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, sender));
      agent.destroy();
      await (child as Child<StormTold> | null)?.kill();
      deaths++;
    }
    await boot(null);
    while ((await place.underWay()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const runs = await place.runs();
    const taken = deliveries.filter(isTaken);
    expect(runs.size).toBe(taken.length);
    expect([...runs.values()].map(({ output }) => output).sort()).toEqual(taken.map(({ n }) => n).sort());
    for (const delivery of deliveries) {
      const told = answers.get(delivery.id) ?? [];
      expect(told.length, delivery.id).toBeGreaterThan(0);
      expect(new Set(told.map(({ runId }) => runId)).size, delivery.id).toBe(1);
      expect(told.filter(({ created }) => created).length, delivery.id).toBeLessThanOrEqual(1);
      expect(new Set(told.map(({ decision }) => decision))).toEqual(
        new Set([isTaken(delivery) ? "started" : "ignored"]),
      );
    }
    expect(await place.verify()).toMatchObject({ equal: true, runs: taken.length, deliveries: DELIVERIES });
    expect(deaths).toBeGreaterThan(1);
    expect(lost).toBeGreaterThan(0);
    console.log(
      `${sent} requests of ${DELIVERIES} deliveries, ${deaths} deaths, ${lost} answers lost: ${runs.size} runs`,
    );
  } finally {
    await (child as Child<StormTold> | null)?.kill();
    await place.close();
  }
});

function shuffled<T>(prng: Prng, items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = prng.int(0, i);
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}
