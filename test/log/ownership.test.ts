import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { createClient } from "@libsql/client";
import { describe, expect, it } from "vitest";
import { isVarveError } from "../../src/kernel/errors.ts";
import { filePath, openForeign } from "../../src/log/libsql/open.ts";
import { realPorts } from "../support/ports.ts";
import { childProcesses, is } from "./children.ts";
import { newFolder, openStore, rejection } from "./open.ts";

const start = childProcesses();
const newFile = () => join(newFolder(), "log.db");

/** What the file's header says of its journal: bytes 18 and 19 are 2 for a write-ahead log. No connection is opened. */
const journalMode = (path: string) => (readFileSync(path)[18] === 2 ? "wal" : "rollback");

describe("an owned file", () => {
  it("is refused to a second opener, which learns the file", async () => {
    const path = newFile();
    const owner = await openStore(`file:${path}`);
    for (const use of ["owned", "shared"] as const) {
      const error = await rejection(openStore(`file:${path}`, use));
      expect(isVarveError(error, "DATABASE_OWNED")).toBe(true);
      expect(error).toMatchObject({ name: "DatabaseOwnedError", facts: { path, use } });
      expect(error.message).toContain(path);
    }
    expect(await owner.lastPosition()).toBe(0);
  });

  it("is refused to another process, and granted to it as soon as it is closed", async () => {
    const path = newFile();
    const owner = await openStore(`file:${path}`);
    for (const file of ["owned", "shared"] as const) {
      const refused = await start({ task: "open", url: `file:${path}`, file }).told(is("refused"));
      expect(refused).toMatchObject({ name: "DatabaseOwnedError", code: "DATABASE_OWNED" });
    }
    await owner.close();
    await start({ task: "open", url: `file:${path}`, file: "owned" }).told(is("opened"));
  });

  it("is granted at once when its owner was killed, and nothing of it is left beside it", async () => {
    const path = newFile();
    for (let life = 0; life < 3; life++) {
      const owner = start({ task: "open", url: `file:${path}`, file: "owned" });
      await owner.told(is("opened"));
      const error = await rejection(openStore(`file:${path}`));
      expect(error.code).toBe("DATABASE_OWNED");
      await owner.kill();
      await (await openStore(`file:${path}`)).close();
    }
    const beside = readdirSync(join(path, "..")).filter((name) => name.includes("-owner"));
    expect(beside).toEqual(["log.db-owner"]);
    expect(statSync(`${path}-owner`).size).toBe(0);
  });

  it("is refused again and again without a trace: the next opener gets it", async () => {
    const path = newFile();
    const owner = await openStore(`file:${path}`);
    for (let i = 0; i < 20; i++) expect((await rejection(openStore(`file:${path}`))).code).toBe("DATABASE_OWNED");
    await owner.close();
    const next = await openStore(`file:${path}`);
    await next.close();
    await openStore(`file:${path}`, "shared");
  });

  it("is the same file by a symbolic link, a link to its folder and a relative path", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "real"));
    const path = join(folder, "real", "log.db");
    symlinkSync(path, join(folder, "alias.db"));
    symlinkSync(join(folder, "real"), join(folder, "linked"));
    await openStore(`file:${join(folder, "alias.db")}`);
    const names = [
      path,
      join(folder, "linked", "log.db"),
      relative(process.cwd(), path),
      join(folder, "real/../real/log.db"),
    ];
    for (const name of names) {
      const error = await rejection(openStore(`file:${name}`));
      expect(error).toMatchObject({ code: "DATABASE_OWNED", facts: { path } });
    }
    expect(existsSync(join(folder, "alias.db-owner"))).toBe(false);
  });

  it("is read by others while its owner writes, and never written by them", async () => {
    const path = newFile();
    const owner = await openStore(`file:${path}`);
    const reader = openForeign(createClient, { url: `file:${path}` }, realPorts());
    expect(await reader.one("SELECT count(*) AS n FROM runs")).toMatchObject([{ n: 0 }]);
    await owner.putApiKey({ id: "k", name: "n", hash: "h", scopes: [], createdAt: 1, revokedAt: null });
    expect(await reader.one("SELECT id FROM api_keys")).toMatchObject([{ id: "k" }]);
    const error = await rejection(reader.one("DELETE FROM api_keys"));
    expect(error).toMatchObject({ name: "StoreError", facts: { database: path } });
    expect(await reader.one("PRAGMA wal_autocheckpoint")).toMatchObject([{ wal_autocheckpoint: 0 }]);
    expect(await owner.listApiKeys()).toHaveLength(1);
    await reader.close();
  });

  it("is written by its owner while another process holds it open for reading", async () => {
    const path = newFile();
    const owner = await openStore(`file:${path}`);
    const reader = createClient({ url: `file:${path}` });
    const snapshot = await reader.transaction("read");
    await snapshot.execute("SELECT count(*) FROM runs");
    const key = { id: "k", name: "n", hash: "h", scopes: [], createdAt: 1, revokedAt: null };
    await owner.putApiKey(key);
    expect(await owner.listApiKeys()).toEqual([key]);
    snapshot.close();
    reader.close();
  });
});

describe("a file that its owner has closed", () => {
  it("is one file, and can be shared at once while that process lives", async () => {
    const path = newFile();
    const owner = await openStore(`file:${path}`);
    expect(existsSync(`${path}-wal`)).toBe(true);
    await owner.close();
    expect(readdirSync(join(path, "..")).sort()).toEqual(["log.db", "log.db-owner"]);
    await start({ task: "open", url: `file:${path}`, file: "shared" }).told(is("opened"));
  });

  it("keeps its write-ahead log for the next owner if somebody reads it, and loses nothing", async () => {
    const path = newFile();
    const owner = await openStore(`file:${path}`);
    const reader = openForeign(createClient, { url: `file:${path}` }, realPorts());
    const key = { id: "k", name: "n", hash: "h", scopes: [], createdAt: 1, revokedAt: null };
    await owner.putApiKey(key);
    await reader.one("SELECT count(*) FROM api_keys");
    await owner.close();
    expect(journalMode(path)).toBe("wal");
    expect(await (await openStore(`file:${path}`)).listApiKeys()).toEqual([key]);
    await reader.close();
  });

  it("is closed once, however often it is asked for", async () => {
    const store = await openStore(`file:${newFile()}`);
    await Promise.all([store.close(), store.close()]);
    await store.close();
  });
});

describe("a shared file", () => {
  it("is open to several processes and refused to one that would own it, until the last of them is gone", async () => {
    const path = newFile();
    const here = await openStore(`file:${path}`, "shared");
    const there = start({ task: "open", url: `file:${path}`, file: "shared" });
    await there.told(is("opened"));
    const error = await rejection(openStore(`file:${path}`));
    expect(error).toMatchObject({ code: "DATABASE_OWNED", facts: { path, use: "owned" } });
    expect(error.message).toContain("another process owns it or shares it");
    await here.close();
    expect((await rejection(openStore(`file:${path}`))).code).toBe("DATABASE_OWNED");
    await there.kill();
    await openStore(`file:${path}`);
  });

  it("has a rollback journal, an owned one a write-ahead log, and each is changed to the other", async () => {
    const path = newFile();
    for (const [use, mode] of [
      ["owned", "wal"],
      ["shared", "rollback"],
      ["owned", "wal"],
    ] as const) {
      const store = await openStore(`file:${path}`, use);
      expect(journalMode(path)).toBe(mode);
      await store.close();
      expect(journalMode(path)).toBe("rollback");
    }
  });

  it("takes over the log of an owner that was killed, and loses nothing", async () => {
    const path = newFile();
    const writer = start({ task: "write", url: `file:${path}`, file: "owned", name: "a", runs: 50 });
    await writer.told(is("written"));
    const owner = start({ task: "open", url: `file:${path}`, file: "owned" });
    await owner.told(is("opened"));
    await owner.kill();
    const shared = await openStore(`file:${path}`, "shared");
    expect(await shared.listRuns({}, { before: null, limit: 100 })).toHaveLength(50);
  });

  it("is written by four processes at once, and every write is there", async () => {
    const path = newFile();
    const names = ["a", "b", "c", "d"];
    const writers = names.map((name) =>
      start({ task: "write", url: `file:${path}`, file: "shared", name, runs: 25 }).told(is("written")),
    );
    await Promise.all(writers);
    const store = await openStore(`file:${path}`, "shared");
    const runs = await store.listRuns({}, { before: null, limit: 1_000 });
    const expected = names.flatMap((name) => Array.from({ length: 25 }, (_, i) => `${name}-${i}`));
    expect(runs.map(({ id }) => id).sort()).toEqual(expected.sort());
    const positions = (await store.readLog({ afterPosition: 0, limit: 1_000 })).map(({ position }) => position);
    expect(positions).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    const client = createClient({ url: `file:${path}` });
    expect((await client.execute("PRAGMA integrity_check")).rows).toMatchObject([{ integrity_check: "ok" }]);
    client.close();
  });
});

describe("a path that is no database is refused with its name", () => {
  const cases: [string, string, (path: string) => void][] = [
    ["a folder", "STORE_IO", (path) => mkdirSync(path)],
    ["a file of something else", "STORE_CORRUPT", (path) => writeFileSync(path, "no database ".repeat(500))],
    ["a path in a folder that is not there", "STORE_IO", () => {}],
    ["a path through a file", "STORE_IO", (path) => writeFileSync(join(path, ".."), "")],
    ["a file whose lock file is a folder", "STORE_IO", (path) => mkdirSync(`${path}-owner`)],
  ];

  it.each(cases)("%s: %s", async (what, code, make) => {
    const inside = what.startsWith("a path") ? join(newFolder(), "none") : newFolder();
    const path = join(inside, "log.db");
    make(path);
    for (const use of ["owned", "shared"] as const) {
      const error = await rejection(openStore(`file:${path}`, use));
      expect(isVarveError(error, code)).toBe(true);
      expect(error).toMatchObject({ name: "StoreError" });
      expect(error.message).toContain(path);
    }
  });

  it("a file that was refused can be made good and opened", async () => {
    const path = newFile();
    writeFileSync(path, "no database ".repeat(500));
    await rejection(openStore(`file:${path}`));
    writeFileSync(path, "");
    await openStore(`file:${path}`);
  });

  it.each(["file::memory:", "file:", "file:a.db?mode=ro", "file:a.db#x", "a.db", "", "postgres://x/y"])(
    "%j is no address of a log",
    (url) => {
      expect(() => filePath(url)).toThrow(expect.objectContaining({ code: "DATABASE_URL_INVALID" }));
    },
  );

  it("a server that is not there is out of reach, and its address is named without its secrets", async () => {
    const error = await rejection(openStore("http://user:secret@127.0.0.1:9/db?authToken=secret"));
    expect(error).toMatchObject({
      code: "STORE_UNAVAILABLE",
      facts: { retry: true, database: "http://127.0.0.1:9/db" },
    });
    expect(error.message).not.toContain("secret");
  });
});
