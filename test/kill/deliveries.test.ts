import { sign } from "@octokit/webhooks-methods";
import { expect, it } from "vitest";
import { type Child, startChild } from "../runtimes/child.ts";
import { githubPayloads } from "../support/examples.ts";
import type { HookSetup, HookTold } from "./hook-main.ts";
import { Place } from "./place.ts";
import { startServer } from "./server.ts";

const SECRET = "It's a Secret to Everybody";

/** How often each delivery comes at once. */
const TIMES = 5;

/** One real payload of each of the first events of GitHub. */
const deliveries = githubPayloads.slice(0, 24).map(({ name, examples }, i) => {
  return { event: name, id: `delivery-${i}`, body: JSON.stringify(examples[0]) };
});

interface Answer {
  readonly status: number;
  readonly runId: string;
  readonly created: boolean;
}

async function post(url: string, { event, id, body }: (typeof deliveries)[number]): Promise<Answer> {
  const signature = await sign(SECRET, body);
  const headers = { "x-github-event": event, "x-github-delivery": id, "x-hub-signature-256": signature };
  const response = await fetch(url, { method: "POST", headers, body });
  const { runId, created } = (await response.json()) as Answer;
  return { status: response.status, runId, created };
}

it.each(["a shared file", "a libSQL server"] as const)(
  "a delivery that comes five times at once to two processes over %s starts one run, also for who repeats it after their deaths",
  { timeout: 60_000 },
  async (where) => {
    const place = Place.open();
    const database = where === "a libSQL server" ? await startServer(place.path) : null;
    const bundle = await place.bundle("test/kill/hook-main.ts");
    const setup: HookSetup = {
      db: database?.url ?? `file:${place.path}`,
      file: database === null ? "shared" : "owned",
      secret: SECRET,
    };
    const children: Child<HookTold>[] = [];
    const startTwo = async () => {
      const two = [0, 1].map(() => startChild<HookTold>(process.execPath, [bundle, JSON.stringify(setup)]));
      children.push(...two);
      return await Promise.all(two.map(async (child) => (await child.told(() => true)).url));
    };
    const killAll = async () => {
      await Promise.all(children.splice(0).map((child) => child.kill()));
    };
    try {
      const urls = await startTwo();
      const runIds: string[] = [];
      for (const delivery of deliveries) {
        const answers = await Promise.all(
          Array.from({ length: TIMES }, (_, i) => post(urls[i % urls.length] as string, delivery)),
        );
        expect(answers.map(({ status }) => status)).toEqual(Array(TIMES).fill(202));
        expect(new Set(answers.map(({ runId }) => runId)).size).toBe(1);
        expect(answers.filter(({ created }) => created)).toHaveLength(1);
        runIds.push((answers[0] as Answer).runId);
      }
      await killAll();
      const [url = ""] = await startTwo();
      for (const [i, delivery] of deliveries.entries()) {
        expect(await post(url, delivery)).toEqual({ status: 202, runId: runIds[i], created: false });
      }
      while ((await place.underWay()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
      const runs = [...(await place.runs()).values()];
      expect(runs.map(({ output }) => output).sort()).toEqual(deliveries.map(({ event }) => event).sort());
      const count = deliveries.length;
      expect(await place.verify()).toMatchObject({ equal: true, runs: count, deliveries: count });
    } finally {
      await killAll();
      await database?.stop();
      await place.close();
    }
  },
);
