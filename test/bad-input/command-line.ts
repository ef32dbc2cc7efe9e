/** Arguments and inputs of the command line. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { workflow } from "varve";
import { createEngine } from "varve/node";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { oddText } from "../support/storable.ts";
import type { Effort, Property } from "./lane.ts";
import { inFolder, silent } from "./places.ts";
import { type Outcome, varve } from "./varve.ts";

const CODES: readonly number[] = Object.values(EXIT).filter((code) => code !== EXIT.internal);

function checkOutcome(args: readonly string[], { code, stderr }: Outcome): void {
  const told = `${JSON.stringify(args)}: ${code}\n${stderr}`;
  assert.ok(CODES.includes(code), told);
  assert.doesNotMatch(stderr, /\n\s+at .*:\d+:\d+/, told);
  if (code === EXIT.ok || code === EXIT.failed) return;
  assert.match(stderr, /expected|missing required argument|unknown (option|command)|too many|argument missing/, told);
  if (args.includes("--json"))
    assert.equal(typeof JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code, "string");
}

/** A verb, how many arguments it takes, and options that take a value. */
const VERBS: readonly (readonly [verb: string, args: number, options: string])[] = [
  ["runs list", 0, "--workflow --status --tag --id --parent --since --until -n --cursor"],
  ["runs show", 1, ""],
  ["runs cancel", 1, "--reason"],
  ["runs cancel --yes", 0, "--workflow --status --tag --parent --since -n --reason"],
  ["runs terminate", 1, "--reason"],
  ["runs pause", 1, "--reason --status"],
  ["runs resume", 1, "--workflow"],
  ["runs retry", 1, "--status"],
  ["runs retry --yes", 0, "--workflow --status --id -n"],
  ["runs rerun", 1, "--input -i --id --delay --deadline"],
  ["runs signal", 3, "-i --dedupe-key"],
  ["runs watch", 1, "--after"],
  ["db status", 0, ""],
  ["db verify", 0, ""],
  ["db migrate", 0, ""],
  ["keys list", 0, ""],
  ["keys create", 1, "--scope"],
  ["keys revoke", 1, ""],
  ["run", 1, "--input -i --id --tag --delay --deadline --timeout --workflows"],
  ["serve", 0, "--port --host --workflows"],
  ["dev", 0, "--port --workflows"],
  ["doctor", 0, ""],
  ["rnu", 0, ""],
];

/** An argument as an operating system passes it: UTF-8 without a NUL. */
const argument = oddText.map((text) => text.toWellFormed().replaceAll("\0", ""));

const words = (good: string): fc.Arbitrary<string> =>
  fc.oneof(
    argument,
    fc.constantFrom(
      good,
      "-",
      "--",
      "-1",
      "0",
      "501",
      "1e3",
      "2h",
      "soon",
      "a=b",
      "=",
      "a=",
      "failed,done",
      "{",
      "@none",
    ),
    fc.constantFrom("'; DROP TABLE runs; --", "../../etc/passwd", "$(id)", "%00", "runs:read", "null", "[1]"),
  );

const SWITCHES = ["--json", "--detach", "--wait", "--shared", "--no-color", "--none", "--db-token", "--key"];

const kept = workflow({ name: "kept" }, async (ctx) => ctx.step("a", () => 1));

const MODULE = `export const broken = {`;

async function anyArgumentsEndWell(effort: Effort): Promise<void> {
  await inFolder(async (folder) => {
    const db = join(folder, "log.db");
    const engine = await createEngine({ db: `file:${db}`, workflows: [kept], logger: silent });
    const run = await engine.start(kept, undefined);
    await run.result();
    await engine.close();
    writeFileSync(join(folder, "broken.ts"), MODULE);
    const word = words(run.id);
    const databases = fc.oneof(
      { weight: 4, arbitrary: fc.constant(db) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(join(folder, "none.db"), folder, join(folder, "broken.ts"), "postgres://x"),
      },
    );
    const args = fc.constantFrom(...VERBS).chain(([verb, count, options]) => {
      const named = fc.tuple(fc.constantFrom(...options.split(" ")), word).map(([name, value]) => [name, value]);
      return fc
        .tuple(
          // One more or one less now and then.
          fc.oneof(
            { weight: 5, arbitrary: fc.array(word, { minLength: count, maxLength: count }) },
            { weight: 1, arbitrary: fc.array(word, { maxLength: 2 }) },
          ),
          options === "" ? fc.constant([]) : fc.array(named, { maxLength: 2 }),
          fc.array(fc.constantFrom(...SWITCHES), { maxLength: 1 }),
          databases,
        )
        .map(([rest, named, switches, at]) => [
          ...verb.split(" "),
          ...(verb === "rnu" ? [] : ["--db", at]),
          ...switches,
          ...named.flat(),
          ...rest,
        ]);
    });
    // Standard input is somebody's keyboard.
    const readers = ["run", "rerun", "signal"];
    const ownInput = args.filter((each) => !(readers.some((verb) => each.includes(verb)) && each.includes("-")));
    await fc.assert(
      fc.asyncProperty(ownInput, async (args) => checkOutcome(args, await varve(args))),
      effort,
    );
  });
}

export const commandLine: readonly Property[] = [
  {
    title: "any arguments end with a documented code, and a message that says what was expected, without a trace",
    runs: 250,
    holds: anyArgumentsEndWell,
  },
];
