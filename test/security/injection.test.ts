/** Paths and statements in the place of ids, names, tags, cursors and hooks: they are texts, and stay texts. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Client, InStatement } from "@libsql/client";
import { workflow } from "varve";
import { expect, it, onTestFinished } from "vitest";
import type { Engine } from "../../src/engine/api.ts";
import { createEngineOf } from "../../src/engine/engine.ts";
import { createApp } from "../../src/http/index.ts";
import type { Tags } from "../../src/kernel/events.ts";
import { openLog } from "../../src/log/libsql/open.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import { verified } from "../bad-input/places.ts";
import { varve } from "../bad-input/varve.ts";
import { newFolder } from "../log/open.ts";
import { realPorts } from "../support/ports.ts";
import { INJECTIONS, MARK, PATHS } from "./corpora.ts";
import { echo } from "./secured.ts";

const CORPUS = [...PATHS, ...INJECTIONS];

it("each corpus has at least 200 texts, all of them names that the log can hold", () => {
  expect(Math.min(PATHS.length, INJECTIONS.length)).toBeGreaterThanOrEqual(200);
  for (const text of CORPUS) {
    expect(text).toContain(MARK);
    expect(text.isWellFormed() && !text.includes("\0") && text.length <= 256, text).toBe(true);
  }
});

interface Observed {
  readonly engine: Engine;
  readonly path: string;
  /** The text of every statement, without its arguments. */
  readonly statements: ReadonlySet<string>;
  /** Every file around the database, with its size unless it is the database's own. */
  readonly surroundings: () => string[];
  readonly schema: () => Promise<string>;
}

const named = workflow({ name: "named" }, async (ctx, names: readonly string[]) => {
  await Promise.all(names.map((name) => ctx.step(name, () => name)));
  return names.length;
});

const waiting = workflow({ name: "waiting" }, async (ctx) => ctx.waitFor("end"));

/** An engine over a file whose statements are seen, beside files that are nobody's business. */
async function observed(): Promise<Observed> {
  const folder = newFolder();
  const inner = join(folder, "a", "b", "c", "d");
  mkdirSync(inner, { recursive: true });
  for (const outside of [join(folder, "outside"), join(folder, "a", "outside"), join(inner, "outside")]) {
    mkdirSync(outside);
    writeFileSync(join(outside, "secret.txt"), "outside");
  }
  const statements = new Set<string>();
  const path = join(inner, "log.db");
  const ports = realPorts();
  let client: Client | null = null;
  const store = await openLog(
    (config, kind) => {
      const own = clientFor(config, kind);
      if (kind !== "owned-file") return own;
      const seen = (statement: InStatement | string) =>
        void statements.add(typeof statement === "string" ? statement : statement.sql);
      const { execute, batch } = own;
      client = Object.assign(own, {
        execute: (statement: string) => {
          seen(statement);
          return execute.call(own, statement);
        },
        batch: (list: InStatement[], mode: "write") => {
          list.forEach(seen);
          return batch.call(own, list, mode);
        },
      });
      return own;
    },
    { url: `file:${path}` },
    ports,
  );
  const engine = await createEngineOf({ store, ports, workflows: [echo, named, waiting] });
  onTestFinished(() => engine.close());
  const surroundings = () =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .sort()
      .map((name) => {
        const file = statSync(join(folder, name));
        const isOwn = /log\.db(-wal|-shm|-owner(-journal)?)?$/.test(name);
        return `${name} ${file.isFile() && !isOwn ? readFileSync(join(folder, name), "utf8") : ""}`;
      })
      .filter((line) => !/log\.db-(wal|shm|owner-journal) $/.test(line));
  const schema = async () => JSON.stringify((await client?.execute("SELECT * FROM sqlite_schema ORDER BY name"))?.rows);
  return { engine, path, statements, surroundings, schema };
}

/** Checks that nothing but rows came of what was done. */
async function untouched(
  { engine, path, statements, surroundings, schema }: Observed,
  act: () => Promise<void>,
): Promise<void> {
  const before = { files: surroundings(), schema: await schema() };
  await act();
  expect({ files: surroundings(), schema: await schema() }).toEqual(before);
  expect(statements.size).toBeGreaterThan(5);
  expect([...statements].filter((sql) => sql.includes(MARK))).toEqual([]);
  await engine.close();
  expect(await verified(path)).toMatchObject({ equal: true, integrity: [] });
}

it("a tag, a key, a cursor or a name finds what has that very text, and nothing else", async () => {
  const place = await observed();
  const { engine } = place;
  await untouched(place, async () => {
    const runs = await Promise.all(
      CORPUS.map((text, i) => engine.start(echo, i, { idempotencyKey: text, tags: { [text]: "x", tag: text } })),
    );
    const newest = runs
      .map(({ id }) => id)
      .sort()
      .reverse();
    const ids = async (options: Parameters<Engine["list"]>[0]) => (await engine.list(options)).runs.map(({ id }) => id);
    for (const [i, text] of CORPUS.entries()) {
      const only = [runs[i]?.id];
      const tags: Tags = i % 2 === 0 ? { tag: text } : { [text]: "x" };
      expect(await ids({ tags }), text).toEqual(only);
      expect(await ids({ idempotencyKey: text }), text).toEqual(only);
      expect(await ids({ workflow: text }), text).toEqual([]);
      expect(await ids({ parentId: text }), text).toEqual([]);
      // A cursor is a place in the order of ids, whatever it says.
      expect(await ids({ cursor: text, limit: 3 }), text).toEqual(newest.filter((id) => id < text).slice(0, 3));
      const again = await engine.start(echo, i, { idempotencyKey: text });
      expect([again.id, again.created]).toEqual([runs[i]?.id, false]);
    }
    expect((await engine.run(runs[0]?.id ?? "").status()).tags).toEqual({ [CORPUS[0] as string]: "x", tag: CORPUS[0] });
  });
});

it("an id of a run, a key or a hook that is none is not found, wherever it is asked for", async () => {
  const place = await observed();
  const { engine } = place;
  const app = createApp(engine);
  const { token } = await engine.keys.create({ name: "all", scopes: ["runs:read", "runs:write"] });
  const before = await engine.lastPosition();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  await untouched(place, async () => {
    for (const [i, text] of CORPUS.entries()) {
      const code = { code: "RUN_NOT_FOUND" };
      await expect(engine.run(text).status(), text).rejects.toMatchObject(code);
      await expect(engine.run(text).cancel(), text).rejects.toMatchObject(code);
      await expect(engine.run(text).signal(text, text), text).rejects.toMatchObject(code);
      await expect(engine.run(text).retry(), text).rejects.toMatchObject(code);
      await expect(engine.run(text).rerun(), text).rejects.toMatchObject(code);
      expect(await engine.history(text)).toEqual([]);
      await expect(engine.keys.revoke(text)).rejects.toMatchObject({ code: "API_KEY_NOT_FOUND" });
      expect(await engine.keys.verify(text)).toBeNull();
      await expect(engine.start(text)).rejects.toMatchObject({ code: "WORKFLOW_UNKNOWN" });
      expect(await engine.deliver(text, { headers: [], body: new Uint8Array() })).toMatchObject({ kind: "refused" });
      const ends = ["", "/history", "/events", "/result"];
      const encoded = `/api/v1/runs/${encodeURIComponent(text)}${ends[i % ends.length]}`;
      expect((await app.request(encoded, { headers })).status, encoded).toBe(404);
      expect((await app.request(`/hooks/${encodeURIComponent(text)}`, { method: "POST", body: "{}" })).status).toBe(
        401,
      );
      // As it is: what the URL makes of it may be another path of the API, and is no file in any case.
      const asIs = await app.request(`/api/v1/runs/${text.replace(/[?#].*$/s, "")}`, { headers });
      expect([200, 400, 404], text).toContain(asIs.status);
      expect(asIs.headers.get("content-type")).toMatch(/json$/);
    }
    expect(await engine.lastPosition()).toBe(before);
  });
});

it("a signal's name, key and payload are in the history as they were given", async () => {
  const place = await observed();
  const { engine } = place;
  await untouched(place, async () => {
    const worker = await engine.work();
    const run = await engine.start(waiting, null);
    await Promise.all(CORPUS.map((text) => run.signal(text, text, { dedupeKey: text })));
    await Promise.all(CORPUS.map((text) => run.signal(text, "again", { dedupeKey: text })));
    await run.signal("end", null);
    await run.result();
    const received = (await run.history()).flatMap((event) => (event.type === "signal.received" ? [event.data] : []));
    const byName = Object.fromEntries(received.slice(0, -1).map(({ name, ...rest }) => [name, rest]));
    expect(received).toHaveLength(CORPUS.length + 1);
    expect(byName).toEqual(
      Object.fromEntries(CORPUS.map((text) => [text, { payload: { value: text }, token: `signal/${run.id}/${text}` }])),
    );
    await worker.stop();
  });
});

it("a name of a step, and a value, are in the history as they were given", async () => {
  const place = await observed();
  const { engine } = place;
  await untouched(place, async () => {
    const worker = await engine.work();
    const run = await engine.start(named, CORPUS);
    expect(await run.result()).toBe(CORPUS.length);
    const done = (await run.history()).filter(({ type }) => type === "step.completed");
    expect(done.map(({ data }) => (data as { value: string }).value).sort()).toEqual([...CORPUS].sort());
    expect(new Set(done.map(({ key }) => key)).size).toBe(CORPUS.length);
    await worker.stop();
  });
});

it("an argument of the command line is no path and no statement", async () => {
  const place = await observed();
  await place.engine.start(echo, 1);
  await place.engine.close();
  const files = place.surroundings();
  for (const text of CORPUS.filter((_text, i) => i % 20 === 0)) {
    const shown = await varve(["runs", "show", "--db", place.path, "--", text]);
    expect([shown.code, shown.stdout], text).toEqual([3, ""]);
    const listed = await varve(["runs", "list", "--db", place.path, "--json", `--workflow=${text}`, `--id=${text}`]);
    expect([listed.code, JSON.parse(listed.stdout).runs], text).toEqual([0, []]);
  }
  expect(place.surroundings()).toEqual(files);
  expect(await verified(place.path)).toMatchObject({ equal: true, runs: 1 });
});
