import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { workflow } from "../../src/ctx/workflow.ts";
import { createEngineOf } from "../../src/engine/engine.ts";
import { TerminalError } from "../../src/kernel/errors.ts";
import { isStorableText } from "../../src/kernel/text.ts";
import { realPorts } from "../support/ports.ts";
import { childProcesses } from "./children.ts";
import { newFolder, openStore, rejection } from "./open.ts";

const start = childProcesses();

/** What ends a process when SQLite's JSON functions meet it, and what SQLite cuts text at. */
const BAD = ["\ud800", "a\udfffb", "a\0b", "\ud800\ud800", "\0"];

/** Every JSON function over every stored text, and every public view. */
const QUERIES = [
  "SELECT * FROM v_runs",
  "SELECT * FROM v_attempts",
  "SELECT * FROM v_steps",
  "SELECT * FROM v_timeline",
  "SELECT e.type, t.atom, t.fullkey, t.value FROM events e, json_tree(e.data) t",
  "SELECT json_extract(data, '$.value', '$.error.message', '$.input.value') AS a, data ->> '$.value' AS b, data -> '$.error' AS c FROM events",
  "SELECT r.id, t.key, r.result ->> '$.value' AS a, r.result ->> '$.message' AS b, t.value FROM runs r, json_tree(r.result) t",
  "SELECT key, value FROM runs r, json_each(r.tags)",
  "SELECT headers ->> '$.x' AS x, length(body) AS n FROM deliveries",
];

describe("text that SQLite does not survive", () => {
  it("in payloads, errors, states and keys of objects leaves a log that every JSON function reads", async () => {
    const path = join(newFolder(), "log.db");
    const store = await openStore(`file:${path}`);
    const bad = Object.fromEntries(BAD.map((text, i) => [`k${i}${text}`, { text, list: [text, { [text]: text }] }]));
    const echo = workflow({ name: "echo" }, async (ctx, input: { fails: boolean; bad: unknown }) => {
      const value = await ctx.step("value", () => input.bad);
      const map = await ctx.step("map", () => new Map([[BAD[0], new Set(BAD)]]));
      const error = await ctx.step("error", () =>
        Object.assign(new Error(BAD.join("|")), { [`f${BAD[1]}`]: BAD, field: BAD }),
      );
      if (input.fails) {
        await ctx.step("throws", () => {
          throw new TerminalError(BAD.join("|"), { code: BAD[0] as string, cause: new Error(BAD[1]) });
        });
      }
      return { value, map, message: error.message };
    });
    const engine = await createEngineOf({ store, ports: realPorts(), workflows: [echo] });
    await engine.work();
    const good = await engine.start(echo, { fails: false, bad });
    const failing = await engine.start(echo, { fails: true, bad });
    const result = await good.result();
    expect(result).toEqual({ value: bad, map: new Map([[BAD[0], new Set(BAD)]]), message: expect.any(String) });
    const error = await rejection(failing.result());
    expect(error).toMatchObject({ code: "RUN_FAILED" });
    await engine.close();

    const reader = start({ task: "query", path, statements: QUERIES });
    expect(await reader.exited).toBe(0);
    expect(reader.stderr).toBe("");
    const answered = new Set(reader.lines.map((line) => (line.told === "row" ? line.statement : -1)));
    expect([...answered].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it("in a name, key, tag or idempotency key is refused before it is written", async () => {
    const store = await openStore(`file:${join(newFolder(), "log.db")}`);
    const named = workflow({ name: "named" }, async (ctx, name: string) => await ctx.step(name, () => 1));
    const engine = await createEngineOf({ store, ports: realPorts(), workflows: [named] });
    await engine.work();
    for (const text of BAD) {
      for (const options of [{ idempotencyKey: text }, { tags: { [text]: "v" } }, { tags: { t: text } }]) {
        expect(await rejection(engine.start(named, "fine", options))).toMatchObject({ code: "NAME_INVALID" });
      }
      expect(() => workflow({ name: text }, async () => 1)).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
      const run = await engine.start(named, text);
      expect((await rejection(run.result())).cause).toMatchObject({ code: "NAME_INVALID" });
    }
    await engine.close();
  });

  it("is what ends a process: a row that holds it raw is not survived", async () => {
    const path = join(newFolder(), "raw.db");
    const statements = [
      "CREATE TABLE t (data TEXT)",
      `INSERT INTO t VALUES ('{"v":"\\ud800"}')`,
      "SELECT data ->> '$.v' AS v FROM t",
    ];
    const reader = start({ task: "query", path, statements });
    expect(await reader.exited).not.toBe(0);
  });

  it("is nowhere in what the engine stores, whatever is thrown or returned", async () => {
    const store = await openStore(`file:${join(newFolder(), "log.db")}`);
    const any = workflow({ name: "any" }, async (ctx, input: { fails: boolean; text: string }) =>
      ctx.step("s", () => {
        if (input.fails) throw new TerminalError(input.text, { code: input.text });
        return { [input.text]: input.text };
      }),
    );
    const engine = await createEngineOf({ store, ports: realPorts(), workflows: [any] });
    await engine.work();
    const text = fc.string({ unit: fc.constantFrom("\ud800", "\udc00", "\0", "a", '"', "\\", "\u2028") });
    await fc.assert(
      fc.asyncProperty(text, fc.boolean(), async (value, fails) => {
        const run = await engine.start(any, { fails, text: value });
        await run.result().catch(() => {});
      }),
      { numRuns: 60 },
    );
    const rows = await store.readLog({ afterPosition: 0, limit: 10_000 });
    expect(rows.length).toBeGreaterThan(200);
    for (const { data } of rows) {
      expect(data ?? "").not.toMatch(/\\ud[89a-f][0-9a-f]{2}/i);
      expect(isStorableText(data ?? "")).toBe(true);
    }
    await engine.close();
  });
});
