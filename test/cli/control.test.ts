/** `varve runs signal|cancel|terminate|pause|resume|retry|rerun`: told to a server, and to a file that nobody owns. */
import { describe, expect, it } from "vitest";
import { json, jsonError, type Outcome, type Place, place } from "./varve.ts";

const ASK = `
import { z } from "zod";
import { TerminalError, workflow } from "varve";
import { existsSync } from "node:fs";

const approval = z.object({ by: z.string(), cents: z.number().default(5) });

export const ask = workflow({ name: "ask", signals: { approval } }, async (ctx) => await ctx.waitFor("approval"));

export const brittle = workflow({ name: "brittle" }, async (ctx, input: { id: string }) =>
  ctx.step("look", () => {
    if (!existsSync("mended")) throw new TerminalError("broken");
    return input;
  }),
);
`;

/** The modules of a place import zod by the path of this package's own. */
function withAsk(): Place {
  const here = place();
  here.write("workflows/ask.ts", ASK.replace('"zod"', JSON.stringify(import.meta.resolve("zod"))));
  return here;
}

const started = (outcome: Outcome) => outcome.stdout.trim();

describe("a server is told", () => {
  it("signals, once under a key, and shows them in words", async () => {
    const here = withAsk();
    await here.serve();
    const id = started(await here.varve(["run", "ask"]));
    const wrong = await here.varve(["runs", "signal", id, "approval", '{"by":7}', "--json"]);
    expect(wrong.code).toBe(2);
    expect(jsonError(wrong)).toMatchObject({ code: "SIGNAL_INVALID", message: expect.stringContaining("$.by") });
    const unknown = await here.varve(["runs", "signal", id, "aproval", "{}", "--json"]);
    expect([unknown.code, jsonError(unknown).code]).toEqual([2, "SIGNAL_UNKNOWN"]);
    const held = await here.varve(["runs", "pause", id, "--reason", "a look"]);
    expect(held).toEqual({ code: 0, stdout: `run ${id} holds\n`, stderr: "" });
    const args = ["runs", "signal", id, "approval", "-i", "by=ada", "--dedupe-key", "click", "--json"];
    for (let i = 0; i < 2; i++)
      expect(json(await here.varve(args))).toEqual({ id, signal: "approval", requested: true });
    expect((await here.varve(["runs", "list"])).stdout).toContain("paused");
    expect((await here.varve(["runs", "resume", id])).code).toBe(0);
    expect((await here.varve(["runs", "watch", id])).code).toBe(0);
    const { stdout } = await here.varve(["runs", "show", id]);
    expect(stdout).toMatch(/✓ approval \(wait\)/);
    expect(stdout).toMatch(/• paused: a look\n.*• signal approval has come in\n.*• resumed/);
    expect(stdout).toContain('output    {"by":"ada","cents":5}');
    expect(stdout.match(/signal approval/g)).toHaveLength(1);
    const late = await here.varve([...args]);
    expect([late.code, jsonError(late).code]).toEqual([6, "RUN_OVER"]);
  }, 120_000);

  it("to retry, to run again, and to end, one run or many", async () => {
    const here = withAsk();
    await here.serve();
    const failed = await here.varve(["run", "brittle", "-i", "id=a", "-t", "batch=x", "--wait"]);
    expect(failed.code).toBe(1);
    const [run] = json<{ runs: { id: string }[] }>(await here.varve(["runs", "list", "--json"])).runs;
    const id = String(run?.id);
    here.write("mended", "");
    expect(await here.varve(["runs", "retry", id])).toMatchObject({ code: 0, stdout: `run ${id} goes on\n` });
    expect((await here.varve(["runs", "watch", id])).code).toBe(0);
    const again = await here.varve(["runs", "retry", id, "--json"]);
    expect([again.code, jsonError(again).code]).toEqual([6, "RUN_NOT_OVER"]);
    const other = started(await here.varve(["runs", "rerun", id, "-i", "id=b"]));
    expect((await here.varve(["runs", "watch", other])).code).toBe(0);
    expect(json(await here.varve(["runs", "show", other, "--json"]))).toMatchObject({
      run: { output: { id: "b" }, tags: { batch: "x" } },
      input: { id: "b" },
    });
    const asks = [];
    for (let i = 0; i < 3; i++) asks.push(started(await here.varve(["run", "ask", "-t", `n=${i % 2}`])));
    const unsure = await here.varve(["runs", "terminate", "--tag", "n=0", "--json"]);
    expect([unsure.code, jsonError(unsure)]).toMatchObject([
      2,
      { code: "CONFIRMATION_MISSING", message: expect.stringContaining("2 runs fit") },
    ]);
    const all = await here.varve(["runs", "terminate", "--tag", "n=0", "--yes", "--reason", "all", "--json"]);
    expect(json(all)).toEqual({ done: 2, skipped: 0, more: false });
    const one = await here.varve(["runs", "cancel", "--workflow", "ask", "-n", "1", "-y"]);
    expect(one).toEqual({ code: 0, stdout: "cancel: 1 done\n", stderr: "" });
    expect((await here.varve(["runs", "watch", String(asks[0])])).code).toBe(4);
  }, 120_000);
});

describe("a file that nobody owns is told", () => {
  it("what the modules here find good, and the next worker finds it", async () => {
    const here = withAsk();
    const args = ["run", "ask", "--id", "k"];
    const id = started(await here.varve([...args, "--detach"]));
    const wrong = await here.varve(["runs", "signal", id, "approval", "{}", "--json"]);
    expect([wrong.code, jsonError(wrong).code]).toEqual([2, "SIGNAL_INVALID"]);
    here.write("approval.json", '{"by":"ada"}');
    const sent = await here.varve(["runs", "signal", id, "approval", "@approval.json"]);
    expect(sent).toEqual({ code: 0, stdout: `run ${id} was sent approval\n`, stderr: "" });
    expect(json(await here.varve(args))).toEqual({ by: "ada", cents: 5 });
  }, 60_000);

  it("what nobody can check, and says so", async () => {
    const here = withAsk();
    const id = started(await here.varve(["run", "ask", "--detach"]));
    here.write("elsewhere/none.txt", "");
    const db = `${here.path}/varve.db`;
    const away = place();
    const sent = await away.varve(["runs", "signal", id, "approval", '{"by":"ada"}', "--db", db]);
    expect(sent).toMatchObject({ code: 0, stderr: expect.stringContaining("not checked") });
    const checked = await away.varve([
      ...["runs", "signal", id, "approval", "{}", "--db", db],
      ...["--workflows", `${here.path}/workflows/ask.ts`, "--json"],
    ]);
    expect([checked.code, jsonError(checked).code]).toEqual([2, "SIGNAL_INVALID"]);
  }, 60_000);

  it("to hold before anybody begins with it", async () => {
    const here = withAsk();
    const args = ["run", "brittle", "-i", "id=a", "--id", "k"];
    here.write("mended", "");
    const id = started(await here.varve([...args, "--detach"]));
    expect((await here.varve(["runs", "pause", "--id", "k", "--yes"])).stdout).toBe("pause: 1 done\n");
    const held = await here.varve([...args, "--timeout", "1s"]);
    expect(held.code).toBe(5);
    expect((await here.varve(["runs", "resume", id])).code).toBe(0);
    expect(json(await here.varve(args))).toEqual({ id: "a" });
  }, 60_000);
});

describe("nothing is told", () => {
  it.each([
    { args: ["cancel"], code: "RUN_MISSING" },
    { args: ["retry", "--yes"], code: "RUN_MISSING" },
    { args: ["pause", "run_x", "--workflow", "ask"], code: "OPTIONS_CONFLICT" },
    { args: ["signal", "run_x", "approval", "{"], code: "INPUT_INVALID" },
    { args: ["signal", "run_x", "approval", "{}", "-i", "by=ada"], code: "INPUT_TWICE" },
    { args: ["signal", "run_x", "approval", "@none.json"], code: "INPUT_UNREADABLE" },
  ])("by arguments that are not as they must be: $args", async ({ args, code }) => {
    const outcome = await place().varve(["runs", ...args, "--json"]);
    expect([outcome.code, jsonError(outcome).code]).toEqual([2, code]);
  });

  it("to a run that is not there, which exits with 3, nor in a database that is not, which exits with 7", async () => {
    const here = place();
    expect((await here.varve(["db", "migrate"])).code).toBe(0);
    for (const verb of ["signal", "terminate", "pause", "resume", "retry", "rerun"]) {
      const args = ["runs", verb, "run_none", ...(verb === "signal" ? ["x"] : [])];
      const outcome = await here.varve([...args, "--json"]);
      expect([verb, outcome.code, jsonError(outcome).code]).toEqual([verb, 3, "RUN_NOT_FOUND"]);
    }
    const nowhere = await here.varve(["runs", "signal", "run_none", "x", "--db", "none.db", "--json"]);
    expect([nowhere.code, jsonError(nowhere).code]).toEqual([7, "DATABASE_NOT_FOUND"]);
  }, 60_000);
});

describe("resume URLs of a server", () => {
  const WORKFLOW = `import { workflow } from "varve";
export const link = workflow({ name: "link" }, async (ctx) => {
  const url = ctx.resumeUrl("go");
  await ctx.step("mail", () => url);
  return await ctx.waitFor("go");
});`;
  const env = {
    VARVE_RESUME_URL: "https://example.org/varve",
    VARVE_RESUME_SECRET: "the secret of the tests, long enough".replaceAll(/[ ,]+/g, "-"),
  };

  it("are made by VARVE_RESUME_URL and VARVE_RESUME_SECRET, and lead to it", async () => {
    const here = place();
    here.write("workflows/link.ts", WORKFLOW);
    const server = await here.serve([], { env });
    const id = started(await here.varve(["run", "link"]));
    const watching = here.start(["runs", "watch", id]);
    await watching.printed("wait.started", "stdout");
    const [, path = ""] = /https:\/\/example\.org\/varve(\/resume\/[\w.-]+)/.exec(watching.stdout()) ?? [];
    const page = await fetch(`${server.url}${path}`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("<button>")]);
    const headers = { "content-type": "application/x-www-form-urlencoded", origin: "https://example.org" };
    expect((await fetch(`${server.url}${path}`, { method: "POST", headers, body: "by=ada" })).status).toBe(200);
    expect((await watching.ended).code).toBe(0);
    expect(watching.stdout()).toContain('{"value":{"by":"ada"}}');
  }, 60_000);

  it.each([
    { title: "one is set without the other", given: { ...env, VARVE_RESUME_URL: "" }, code: "RESUME_INCOMPLETE" },
    { title: "the secret is short", given: { ...env, VARVE_RESUME_SECRET: "c4n4ry" }, code: "SECRET_INVALID" },
    { title: "the address is none", given: { ...env, VARVE_RESUME_URL: "example.org" }, code: "OPTION_INVALID" },
  ])("are refused at the start when $title", async ({ given, code }) => {
    const here = place();
    here.write("workflows/link.ts", WORKFLOW);
    const outcome = await here.varve(["serve", "--port", "0", "--json"], { env: given });
    expect([outcome.code, jsonError(outcome).code]).toEqual([2, code]);
    expect(`${outcome.stdout}${outcome.stderr}`).not.toContain("c4n4ry");
  });
});
