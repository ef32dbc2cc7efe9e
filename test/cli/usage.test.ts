/** The command line itself: help, versions, mistakes, colours, pipes. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { hasEscapes, json, jsonError, place, WORKFLOWS } from "./varve.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};

function verbs(command = createProgram()): Command[] {
  return command.commands.flatMap((each) => (each.commands.length === 0 ? [each] : verbs(each)));
}

/** What `--help` prints, without a process. */
function helpOf(verb: Command): string {
  const parts: string[] = [];
  verb.configureOutput({ writeOut: (part) => void parts.push(part) }).outputHelp();
  return parts.join("");
}

describe("help", () => {
  it("is there for every verb, with what --json prints or an example", () => {
    expect(verbs().length).toBeGreaterThan(30);
    for (const verb of verbs()) {
      const help = helpOf(verb);
      expect(help, verb.name()).toMatch(/Example|--json prints/);
      expect(help, verb.name()).toContain("--json");
    }
  });

  it("of a verb goes to stdout", async () => {
    const { code, stdout, stderr } = await place().varve(["runs", "list", "--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^Usage: varve runs list/);
  });

  it("names the exit codes and where the log is looked for", async () => {
    const { code, stdout } = await place().varve(["--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain("Exit codes: 0 ok");
    expect(stdout).toContain("VARVE_DB");
  });

  it("--version prints the package's", async () => {
    expect(await place().varve(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });
});

describe("a mistake on the command line", () => {
  it.each([
    { args: ["rnu"], says: "Did you mean run?" },
    { args: ["runs", "lst"], says: "Did you mean list?" },
    { args: ["serve", "--prot", "1"], says: "Did you mean --port?" },
    { args: ["serve", "--port", "70000"], says: "from 0 to 65535" },
    { args: ["run"], says: "missing required argument 'workflow'" },
    { args: ["run", "greet", "-i", "name"], says: "expected name=value" },
    { args: ["run", "greet", "--delay", "soon"], says: "--delay" },
    { args: ["runs", "list", "--status", "done"], says: "expected one of pending, running" },
    { args: ["runs", "list", "--since", "yesterday"], says: "expected an instant" },
    { args: ["runs", "list", "-n", "0"], says: "from 1 to 500" },
  ])("exits with 2 and says what is expected: $args", async ({ args, says }) => {
    const { code, stdout, stderr } = await place().varve(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(says);
  });

  it("is JSON on stderr with --json", async () => {
    const outcome = await place().varve(["runs", "list", "--json", "-n", "none"]);
    expect(outcome.code).toBe(2);
    expect(outcome.stdout).toBe("");
    expect(jsonError(outcome)).toMatchObject({ code: "USAGE", message: expect.stringContaining("from 1 to 500") });
  });

  it("is a database that is not as it must be", async () => {
    const outcome = await place().varve(["runs", "list", "--db", "postgres://x", "--json"]);
    expect(outcome.code).toBe(2);
    expect(jsonError(outcome).code).toBe("DATABASE_URL_INVALID");
  });
});

describe("colour", () => {
  it("is not printed into a pipe, but with FORCE_COLOR, and never with --no-color", async () => {
    const here = place();
    here.write("workflows/greet.ts", WORKFLOWS);
    const failed = async (args: string[], env: Record<string, string> = {}) =>
      (await here.varve(["run", "refuse", ...args], { env })).stderr;
    expect(hasEscapes(await failed([]))).toBe(false);
    expect(hasEscapes(await failed([], { FORCE_COLOR: "1" }))).toBe(true);
    expect(hasEscapes(await failed([], { FORCE_COLOR: "1", NO_COLOR: "1" }))).toBe(true);
    expect(hasEscapes(await failed([], { FORCE_COLOR: "0" }))).toBe(false);
    expect(hasEscapes(await failed(["--no-color"], { FORCE_COLOR: "1" }))).toBe(false);
  });

  it("of the workflow's own making is not let through", async () => {
    const here = place();
    const source = `import { TerminalError, workflow } from "varve";
export const red = workflow({ name: "red" }, async (ctx) => ctx.step("s", () => {
  throw new TerminalError("\\u001b[31mred\\u001b]0;title\\u0007");
}));`;
    here.write("workflows/red.ts", source);
    const run = await here.varve(["run", "red"]);
    expect(run.code).toBe(1);
    const list = await here.varve(["runs", "list"]);
    expect(`${run.stderr}${list.stdout}`).not.toContain("\u001b");
    expect(list.stdout).toContain("red");
  });
});

it("a reader that goes away ends the command without a complaint", async () => {
  const here = place();
  here.write("workflows/greet.ts", WORKFLOWS);
  await here.varve(["run", "greet", "-i", "name=Ada"]);
  const server = await here.serve();
  const watching = here.start(["runs", "watch", "--after", "0", "--json"]);
  await watching.printed("run.created", "stdout");
  watching.process.stdout?.destroy();
  // It notices when it has something to say.
  await here.varve(["run", "greet", "-i", "name=Bo", "--wait", "--url", server.url]);
  expect(await watching.ended).toMatchObject({ code: 0, stderr: "" });
});

it("a database is named by --db, by VARVE_DB, and is file:varve.db else", async () => {
  const here = place();
  const named = async (args: string[], env: Record<string, string> = {}) =>
    json(await here.varve(["db", "migrate", "--json", ...args], { env })).db;
  expect(await named([])).toBe("file:varve.db");
  expect(await named([], { VARVE_DB: "other.db" })).toBe("file:other.db");
  expect(await named(["--db", "file:third.db"], { VARVE_DB: "other.db" })).toBe("file:third.db");
});
