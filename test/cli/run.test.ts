/** `varve run`: modules, inputs, outcomes, kills. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { json, jsonError, type Place, place, WORKFLOWS } from "./varve.ts";

function withWorkflows(): Place {
  const here = place();
  here.write("workflows/greet.ts", WORKFLOWS);
  return here;
}

function bodies(here: Place): string[] {
  return readFileSync(join(here.path, "bodies.txt"), "utf8").trim().split("\n");
}

describe("a run", () => {
  it("of a TypeScript workflow prints its output on stdout, as JSON, and its steps on stderr", async () => {
    const here = withWorkflows();
    const { code, stdout, stderr } = await here.varve(["run", "greet", "-i", "name=Ada"]);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: '{"text":"Hello, Ada","kind":"small","at":"1970-01-01T00:00:00.000Z"}\n',
    });
    expect(stderr).toMatch(/run run_\w+\n✓ compose \d+ ms\n.*pause.*\n✓ pause.*\n✓ sort/);
    expect(bodies(here)).toEqual(["compose", "sort"]);
  });

  it("prints the HTTP API's run with --json, and nothing else", async () => {
    const here = withWorkflows();
    const outcome = await here.varve(["run", "greet", "-i", "name=Ada", "--id", "k", "-t", "a=b", "--json"]);
    expect({ code: outcome.code, stderr: outcome.stderr }).toEqual({ code: 0, stderr: "" });
    expect(json(outcome)).toMatchObject({
      workflow: "greet",
      version: "1",
      status: "completed",
      idempotencyKey: "k",
      tags: { a: "b" },
      output: { text: "Hello, Ada", at: "1970-01-01T00:00:00.000Z" },
      outputMeta: [[["at"], "date"]],
      created: true,
    });
  });

  it("that fails exits with 1 and says why", async () => {
    const here = withWorkflows();
    const { code, stdout, stderr } = await here.varve(["run", "refuse"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("TerminalError: no such order [NO_ORDER]");
    const asJson = await here.varve(["run", "refuse", "--json"]);
    expect(asJson.code).toBe(1);
    expect(json(asJson)).toMatchObject({ status: "failed", error: { cause: { code: "NO_ORDER" } } });
  });

  it("that is not over in time exits with 5, and goes on with the same --id", async () => {
    const here = withWorkflows();
    const args = ["run", "greet", "--input", '{"name":"Ada","ms":1500}', "--id", "slow"];
    const { code, stdout, stderr } = await here.varve([...args, "--timeout", "200ms"]);
    expect({ code, stdout }).toEqual({ code: 5, stdout: "" });
    expect(stderr).toContain("the same command goes on with it");
    const again = await here.varve([...args, "--json"]);
    expect(json(again)).toMatchObject({ status: "completed", created: false });
    expect(bodies(here)).toEqual(["compose", "sort"]);
  });

  it("takes its input from fields, JSON, a file and stdin", async () => {
    const here = withWorkflows();
    here.write("input.json", '{"name":"File"}');
    const text = async (args: string[], stdin?: string) => {
      const outcome = await here.varve(["run", "greet", ...args], stdin === undefined ? {} : { stdin });
      return json<{ text: string }>(outcome).text;
    };
    expect(await text(["-i", "name=Ada", "-i", "ms=2"])).toBe("Hello, Ada");
    expect(await text(["--input", '{"name":"Json"}'])).toBe("Hello, Json");
    expect(await text(["--input", "@input.json"])).toBe("Hello, File");
    expect(await text(["--input", "-"], '{"name":"Pipe"}')).toBe("Hello, Pipe");
  });

  it("of a module's only workflow is started by the module's path", async () => {
    const here = place();
    here.write(
      "one.mjs",
      `import { workflow } from "varve"; export const w = workflow({ name: "one" }, async () => 1);`,
    );
    expect(await here.varve(["run", "one.mjs"])).toMatchObject({ code: 0, stdout: "1\n" });
    here.write("two.ts", WORKFLOWS);
    const outcome = await here.varve(["run", "two.ts", "--json"]);
    expect(outcome.code).toBe(2);
    expect(jsonError(outcome)).toMatchObject({
      code: "WORKFLOW_AMBIGUOUS",
      message: expect.stringContaining("refuse"),
    });
  });

  it("that is only recorded is worked on by the next process", async () => {
    const here = withWorkflows();
    const detached = await here.varve(["run", "greet", "-i", "name=Ada", "--id", "later", "--detach"]);
    expect(detached).toMatchObject({ code: 0, stdout: expect.stringMatching(/^run_\w+\n$/) });
    expect(json(await here.varve(["runs", "list", "--json"]))).toMatchObject({ runs: [{ status: "pending" }] });
    const outcome = await here.varve(["run", "greet", "-i", "name=Ada", "--id", "later", "--json"]);
    expect(json(outcome)).toMatchObject({ id: detached.stdout.trim(), status: "completed", created: false });
  });
});

describe("refused with its exit code is", () => {
  it.each([
    { title: "an unknown workflow", args: ["nobody"], code: 3, error: "WORKFLOW_UNKNOWN" },
    { title: "no JSON as input", args: ["greet", "--input", "{"], code: 2, error: "INPUT_INVALID" },
    { title: "a file that is not there", args: ["greet", "--input", "@x.json"], code: 2, error: "INPUT_UNREADABLE" },
    { title: "two inputs", args: ["greet", "--input", "1", "-i", "a=b"], code: 2, error: "INPUT_TWICE" },
    { title: "to wait and not to", args: ["greet", "--wait", "--detach"], code: 2, error: "OPTIONS_CONFLICT" },
    { title: "an empty key", args: ["greet", "--id", ""], code: 2, error: "NAME_INVALID" },
    { title: "no modules", args: ["greet", "--workflows", "nowhere"], code: 2, error: "MODULE_NOT_FOUND" },
  ])("$title", async ({ args, code, error }) => {
    const here = withWorkflows();
    const outcome = await here.varve(["run", ...args, "--json"]);
    expect({ code: outcome.code, stdout: outcome.stdout }).toEqual({ code, stdout: "" });
    expect(jsonError(outcome).code).toBe(error);
  });

  it("another input under a used key", async () => {
    const here = withWorkflows();
    await here.varve(["run", "greet", "-i", "name=Ada", "--id", "k"]);
    const outcome = await here.varve(["run", "greet", "-i", "name=Bo", "--id", "k", "--json"]);
    expect(outcome.code).toBe(6);
    expect(jsonError(outcome).code).toBe("IDEMPOTENCY_CONFLICT");
  });
});

describe("a module that does not load is refused", () => {
  it("with the place and the line of a syntax error, also of a file that it imports", async () => {
    const here = place();
    here.write("workflows/a.ts", `import { helper } from "../lib/helper.ts";\nexport const a = helper;\n`);
    here.write("lib/helper.ts", "export const helper = 1;\nexport const x: = 2;\n");
    const { code, stderr } = await here.varve(["run", "a"]);
    expect(code).toBe(2);
    expect(stderr).toContain("at lib/helper.ts:2:17 found");
    expect(stderr).toContain("> 2 | export const x: = 2;");
    expect(stderr).toContain("[MODULE_FAILED]");
  });

  it("with the place where it throws", async () => {
    const here = place();
    here.write("workflows/a.ts", `import { workflow } from "varve";\n\nthrow new TypeError("no config");\n`);
    const { code, stderr } = await here.varve(["run", "a"]);
    expect(code).toBe(2);
    expect(stderr).toContain("at workflows/a.ts:3:7 found TypeError: no config");
  });

  it("with the name of what it imports and is not there", async () => {
    const here = place();
    here.write("workflows/a.ts", `import "no-such-package";\n`);
    const { code, stderr } = await here.varve(["run", "a"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/expected workflows\/a\.ts to load.*no-such-package/);
  });

  it("when it exports no workflow, and when two export env", async () => {
    const here = place();
    here.write("workflows/a.ts", "export const nothing = 1;\n");
    expect(jsonError(await here.varve(["run", "a", "--json"])).code).toBe("MODULE_EMPTY");
    here.write("workflows/a.ts", WORKFLOWS);
    here.write("workflows/b.ts", "export const env = {};\n");
    expect(jsonError(await here.varve(["run", "greet", "--json"])).code).toBe("ENV_REPEATED");
  });
});

describe("a run whose process ends in the middle", () => {
  it("by SIGKILL goes on with the same command, and no recorded body begins again", async () => {
    const here = withWorkflows();
    const args = ["run", "greet", "-i", "name=Ada", "--id", "k", "--wait"];
    const held = here.start(args, { env: { HOLD: "sort" } });
    await held.printed("held sort");
    held.kill("SIGKILL");
    expect((await held.ended).code).toBe(null);
    const shown = await here.varve(["runs", "list", "--json"]);
    expect(json(shown)).toMatchObject({ runs: [{ status: "running" }] });
    const outcome = await here.varve([...args, "--json"]);
    expect(outcome.code).toBe(0);
    expect(json(outcome)).toMatchObject({ status: "completed", created: false });
    expect(bodies(here).filter((key) => key === "compose")).toHaveLength(1);
    const { calls } = json<{ calls: { key: string; attempts: { attempt: number; status: string }[] }[] }>(
      await here.varve(["runs", "show", json<{ id: string }>(outcome).id, "--json"]),
    );
    expect(calls.find(({ key }) => key === "sort")?.attempts.at(-1)).toMatchObject({ attempt: 2, status: "completed" });
    expect(json(await here.varve(["db", "verify", "--json"]))).toMatchObject({ equal: true });
  });

  it("by Ctrl-C exits with 130 and hands the run back", async () => {
    const here = withWorkflows();
    const args = ["run", "greet", "--input", '{"name":"Ada","ms":60000}', "--id", "k"];
    const running = here.start(args);
    await running.printed("⧖ pause");
    running.kill("SIGINT");
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toContain("the same command goes on with it");
    expect(json(await here.varve(["runs", "list", "--json"]))).toMatchObject({ runs: [{ status: "waiting" }] });
  });

  it("by what a module throws outside of every step exits with 70, and goes on with the same command", async () => {
    const here = withWorkflows();
    here.write(
      "workflows/stray.ts",
      `if (process.env.STRAY) setTimeout(() => Promise.reject(new Error("stray")), 300);`,
    );
    const args = ["run", "greet", "--input", '{"name":"Ada","ms":2000}', "--id", "k", "--json"];
    const ended = await here.varve(args, { env: { STRAY: "1" } });
    expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code: 70, stdout: "" });
    expect(jsonError(ended)).toMatchObject({ code: "INTERNAL", message: "stray" });
    expect(json(await here.varve(args))).toMatchObject({ status: "completed" });
  });
});
