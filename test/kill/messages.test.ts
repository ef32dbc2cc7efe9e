import { createEngine } from "varve/node";
import { expect, it } from "vitest";
import { type Child, startChild } from "../runtimes/child.ts";
import type { MessageSetup, MessageTold } from "./message-main.ts";
import { Place } from "./place.ts";

const MESSAGES = 60;

/** After so many messages one of the two is killed, and another one begins in its place. */
const KILLS = [3, 8, 15, 25, 36, 48];

it("two processes that publish the same messages at the same time, and are killed meanwhile, start one run for each", {
  timeout: 90_000,
}, async () => {
  const place = Place.open();
  const bundle = await place.bundle("test/kill/message-main.ts");
  const setup: MessageSetup = { db: `file:${place.path}`, file: "shared", messages: MESSAGES };
  const children: Child<MessageTold>[] = [];
  const begin = () => {
    const child = startChild<MessageTold>(process.execPath, [bundle, JSON.stringify(setup)]);
    children.push(child);
    return child;
  };
  try {
    let [a, b] = [begin(), begin()];
    for (const n of KILLS) {
      await a.told((told) => "done" in told || told.published >= n);
      await a.kill();
      [a, b] = [b, begin()];
    }
    await Promise.all([a, b].map((child) => child.told((told) => "done" in told)));
    const numbers = Array.from({ length: MESSAGES }, (_, n) => n);
    const inputsOf = async (name: string) => {
      const rows = await place.store.listRuns({ workflow: name }, { before: null, limit: 1_000 });
      return rows.map(({ result }) => (result === null ? null : (JSON.parse(result) as { value: unknown }).value));
    };
    const isThere = async () =>
      (await inputsOf("pairs")).flat().length >= MESSAGES && (await inputsOf("after")).length >= MESSAGES;
    for (let tries = 0; tries < 300 && !(await isThere()); tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    while ((await place.underWay()) > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    await Promise.all(children.splice(0).map((child) => child.kill()));
    const sorted = (list: readonly unknown[]) => [...(list as number[])].sort((x, y) => x - y);
    expect(sorted(await inputsOf("each"))).toEqual(numbers);
    expect(sorted((await inputsOf("pairs")).flat())).toEqual(numbers);
    expect(sorted(await inputsOf("after"))).toEqual(numbers);
    const engine = await createEngine({ db: setup.db, file: "shared", workflows: [], worker: false });
    const { messages } = await engine.messages({ topic: "numbers", limit: 500 });
    expect(messages).toHaveLength(MESSAGES);
    expect(messages.filter(({ dispatchedAt }) => dispatchedAt === null)).toEqual([]);
    await engine.close();
  } finally {
    await Promise.all(children.map((child) => child.kill()));
    await place.close();
  }
});
