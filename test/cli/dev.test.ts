/** `varve dev`: reloads, keeps what works, goes on with its runs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, it } from "vitest";
import { json, type Place, place, type Running } from "./varve.ts";

const helper = (greeting: string) => `export const greeting = (name: string): string => "${greeting}, " + name;\n`;

const GREET = `import { workflow } from "varve";
import { greeting } from "../lib/helper.ts";

export const greet = workflow({ name: "greet" }, async (ctx, input: { name: string; ms?: number }) => {
  const before = await ctx.step("before", () => greeting(input.name));
  await ctx.sleep("pause", input.ms ?? 1);
  const after = await ctx.step("after", () => greeting(input.name));
  return { before, after };
});
`;

async function developing(): Promise<{ here: Place; dev: Running }> {
  const here = place();
  here.write("lib/helper.ts", helper("Hello"));
  here.write("workflows/greet.ts", GREET);
  const dev = here.start(["dev", "--port", "0"]);
  await dev.printed("/openapi.json");
  return { here, dev };
}

async function greeted(here: Place): Promise<unknown> {
  const outcome = await here.varve(["run", "greet", "-i", "name=Ada", "--wait"]);
  return outcome.code === 0 ? json(outcome) : outcome;
}

function serverPid(here: Place): number {
  return (JSON.parse(readFileSync(join(here.path, "varve.db-owner.json"), "utf8")) as { pid: number }).pid;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("dev", () => {
  it("reloads when a file changes that a module imports, and its runs go on by replay", async () => {
    const { here, dev } = await developing();
    expect(await greeted(here)).toEqual({ before: "Hello, Ada", after: "Hello, Ada" });
    const waiting = here.start(["run", "greet", "--input", '{"name":"Ada","ms":3000}', "--wait"]);
    await waiting.printed("⧖ pause");
    here.write("lib/helper.ts", helper("Hi"));
    await dev.printed("dev: reloaded");
    expect(json(await waiting.ended)).toEqual({ before: "Hello, Ada", after: "Hi, Ada" });
  });

  it("keeps serving what loads when a change does not, says where, and takes up the repair", async () => {
    const { here, dev } = await developing();
    here.write("lib/helper.ts", `${helper("Hi")}export const broken: = 1;\n`);
    await dev.printed("dev: what was served before goes on");
    expect(dev.stderr()).toContain("at lib/helper.ts:2:22 found");
    expect(await greeted(here)).toEqual({ before: "Hello, Ada", after: "Hello, Ada" });
    here.write("lib/helper.ts", helper("Hey"));
    await dev.printed("dev: reloaded");
    expect(await greeted(here)).toEqual({ before: "Hey, Ada", after: "Hey, Ada" });
  });

  it("waits for a change when nothing loads at first", async () => {
    const here = place();
    here.write("workflows/greet.ts", "export const nothing: = 1;\n");
    const dev = here.start(["dev", "--port", "0"]);
    await dev.printed("dev: waiting for a change");
    here.write("lib/helper.ts", helper("Hello"));
    here.write("workflows/greet.ts", GREET);
    await dev.printed("/openapi.json");
    expect(await greeted(here)).toMatchObject({ after: "Hello, Ada" });
  });

  it("takes up a module that is new in its directory", async () => {
    const { here, dev } = await developing();
    here.write(
      "workflows/more.mjs",
      `import { workflow } from "varve"; export const more = workflow({ name: "more" }, async () => 1);`,
    );
    await dev.printed("dev: reloaded");
    expect(await here.varve(["run", "more", "--wait"])).toMatchObject({ code: 0, stdout: "1\n" });
  });

  it("ends by Ctrl-C with 130, and its server with it", async () => {
    const { here, dev } = await developing();
    const pid = serverPid(here);
    expect(isAlive(pid)).toBe(true);
    dev.kill("SIGINT");
    expect((await dev.ended).code).toBe(130);
    expect(isAlive(pid)).toBe(false);
  });

  it("that is killed leaves no server behind", async () => {
    const { here, dev } = await developing();
    const pid = serverPid(here);
    dev.kill("SIGKILL");
    await dev.ended;
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  });
});
