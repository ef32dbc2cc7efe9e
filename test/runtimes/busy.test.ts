/** A process that makes an engine waits for a file that somebody holds, and does not end meanwhile. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "libsql";
import { workflow } from "varve";
import { createEngine } from "varve/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleForNode, ROOT } from "./bundle.ts";
import type { BusyTold } from "./busy-main.ts";
import { startChild } from "./child.ts";

const CACHE = join(ROOT, "node_modules/.cache");

/** Longer than a process lives that nothing keeps. */
const HELD_MS = 1_500;

let folder: string;
let main: string;

beforeAll(async () => {
  mkdirSync(CACHE, { recursive: true });
  folder = mkdtempSync(join(CACHE, "varve-busy-"));
  main = join(folder, "busy.mjs");
  writeFileSync(main, (await bundleForNode("test/runtimes/busy-main.ts")).code);
});

afterAll(() => rmSync(folder, { recursive: true }));

/** A file with the schema, whose lock is held. */
async function heldFile(name: string): Promise<{ readonly url: string; readonly letGo: () => void }> {
  const path = join(folder, name);
  const nothing = workflow({ name: "nothing" }, async () => null);
  const engine = await createEngine({ db: `file:${path}`, file: "shared", workflows: [nothing], worker: false });
  await engine.close();
  const holder = new Database(path);
  holder.exec("BEGIN EXCLUSIVE");
  return {
    url: `file:${path}`,
    letGo: () => {
      holder.exec("ROLLBACK");
      holder.close();
    },
  };
}

const node = (url: string) => startChild<BusyTold>(process.execPath, [main, url]);

describe("a file that is busy while an engine is made on it", () => {
  it("is waited for, by a process that has nothing else to do", async () => {
    const { url, letGo } = await heldFile("held.db");
    const child = node(url);
    await child.told(({ told }) => told === "began");
    await new Promise((resolve) => setTimeout(resolve, HELD_MS));
    expect(child.lines).toEqual([{ told: "began" }]);
    letGo();
    await child.told(({ told }) => told === "closed");
    expect([await child.exited, child.stderr]).toEqual([0, ""]);
  });

  it("is waited for beside a process that is killed as it waits", async () => {
    const { url, letGo } = await heldFile("killed.db");
    const [killed, left] = [node(url), node(url)];
    for (const child of [killed, left]) await child.told(({ told }) => told === "began");
    await new Promise((resolve) => setTimeout(resolve, HELD_MS / 2));
    await killed.kill();
    letGo();
    await left.told(({ told }) => told === "closed");
    expect([await left.exited, left.stderr]).toEqual([0, ""]);
  });

  it("lets the process end when it is refused", async () => {
    const child = node("ftp://example.com/x");
    expect(await child.told(({ told }) => told === "refused")).toEqual({
      told: "refused",
      code: "DATABASE_URL_INVALID",
    });
    expect(await child.exited).toBe(0);
  });
});
