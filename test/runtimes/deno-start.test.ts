import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT } from "./bundle.ts";
import { startChild } from "./child.ts";

/** The package as it is cloned: without `dist`. */
let clone: string;

beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), "varve-deno-"));
  for (const path of ["src", "workflows", "package.json", "deno.json"]) {
    cpSync(join(ROOT, path), join(clone, path), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(clone, "node_modules"));
});

afterAll(() => rmSync(clone, { recursive: true }));

interface Serving {
  readonly url: string;
  readonly pid: number;
  readonly workflows: readonly string[];
}

it("deno task start serves the examples on a file from the sources, with nothing built", async () => {
  const args = ["task", "--cwd", clone, "start", "--db", `file:${join(clone, "deno.db")}`, "--port", "0", "--json"];
  const deno = startChild<Serving>("node_modules/.bin/deno", args);
  const { url, pid, workflows } = await deno.told(() => true);
  const ready = await fetch(`${url}/readyz`);
  // The task is not the server, but its parent.
  process.kill(pid, "SIGTERM");
  expect(await deno.exited).toBe(0);
  expect(workflows).toContain("order-fulfilment");
  expect(ready.status).toBe(200);
});
