/** Values on their way through a real file and through replay; lengths of time and instants of any form. */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { workflow } from "varve";
import { createEngine } from "varve/node";
import { instantArgument } from "../../src/cli/arguments.ts";
import { sleepUntilRequest } from "../../src/ctx/sleep.ts";
import type { Engine } from "../../src/engine/api.ts";
import { PAYLOAD_BYTES_MAX, PAYLOAD_DEPTH_MAX } from "../../src/kernel/codec.ts";
import { DURATION_MS_MAX, formatDuration, parseDuration } from "../../src/kernel/duration.ts";
import { Scope } from "../../src/worker/scope.ts";
import { oddText, storable } from "../support/storable.ts";
import { type Effort, type Property, typedErrorOf } from "./lane.ts";
import { inFolder, silent, verified } from "./places.ts";
import { junk, prototypes } from "./values.ts";

/** What the code of a run was given, by the number of its start: on each pass. */
const given = new Map<number, unknown[]>();
const gate = { isOpen: false, bodies: 0 };

const keeper = workflow({ name: "keeper" }, async (ctx, input: { n: number; value: unknown }) => {
  const kept = await ctx.step("keep", () => {
    gate.bodies++;
    return { value: input.value } as never;
  });
  given.set(input.n, [...(given.get(input.n) ?? []), [input.value, kept]]);
  await ctx.step("hold", async ({ signal }) => {
    if (!gate.isOpen) await new Promise((_resolve, reject) => signal.addEventListener("abort", reject));
  });
  return kept;
});

async function overEngine<T>(path: string, use: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await createEngine({ db: `file:${path}`, workflows: [keeper], logger: silent });
  try {
    return await use(engine);
  } finally {
    await engine.close({ deadline: 0 });
  }
}

const PER_FILE = 20;

async function valuesComeBack(effort: Effort): Promise<void> {
  const before = prototypes();
  await inFolder(async (folder) => {
    let files = 0;
    const values = fc.array(storable, { minLength: PER_FILE, maxLength: PER_FILE });
    const property = fc.asyncProperty(values, async (values) => {
      const path = join(folder, `${++files}.db`);
      given.clear();
      Object.assign(gate, { isOpen: false, bodies: 0 });
      const ids = await overEngine(path, async (engine) => {
        let held = 0;
        const allHeld = new Promise<void>((resolve) => {
          engine.on("attempt.started", ({ key }) => {
            if (key === "hold" && ++held === values.length) resolve();
          });
        });
        const runs = await Promise.all(values.map((value, n) => engine.start(keeper, { n, value })));
        await allHeld;
        return runs.map(({ id }) => id);
      });
      gate.isOpen = true;
      await overEngine(path, async (engine) => {
        for (const [n, id] of ids.entries()) {
          const { output, events } = await engine
            .run(id)
            .result()
            .then(() => engine.run(id).status());
          assert.deepStrictEqual(output, { value: values[n] });
          assert.ok(events > 5);
        }
      });
      assert.equal(gate.bodies, values.length, "a replay runs no body");
      for (const [n, value] of values.entries()) {
        // The first pass and the replay: input and step, equal to what was given.
        assert.deepStrictEqual(given.get(n), [
          [value, { value }],
          [value, { value }],
        ]);
      }
      const { equal, integrity } = await verified(path);
      assert.deepEqual({ equal, integrity }, { equal: true, integrity: [] });
    });
    await fc.assert(property, { ...effort, numRuns: Math.ceil(effort.numRuns / PER_FILE) });
  });
  assert.equal(prototypes(), before, "nothing that all objects share was changed");
}

/** A value of so many levels. */
function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { __proto__: null, inner: value };
  return value;
}

const big = workflow({ name: "big" }, async (ctx, bytes: number | string) => {
  if (typeof bytes === "string") return bytes.length;
  return (await ctx.step("make", () => "x".repeat(bytes))).length;
});

/** What is written around a text: `{"value":"..."}`. */
const AROUND = 12;

async function boundsHold(effort: Effort): Promise<void> {
  const over = fc.oneof(fc.constantFrom(1, 9 * 1_048_576), fc.integer({ min: 1, max: 3_000_000 }));
  await inFolder(async (folder) => {
    const engine = await createEngine({ db: `file:${join(folder, "log.db")}`, workflows: [big], logger: silent });
    try {
      await fc.assert(
        fc.asyncProperty(over, fc.nat(3), fc.integer({ min: 1, max: 3_000 }), async (over, under, deeper) => {
          const fits = PAYLOAD_BYTES_MAX - AROUND - under;
          assert.equal(await (await engine.start(big, "x".repeat(fits))).result(), fits);
          assert.equal(await (await engine.start(big, fits)).result(), fits);
          const tooLong = await typedErrorOf(() => engine.start(big, "x".repeat(PAYLOAD_BYTES_MAX - AROUND + over)));
          assert.equal(tooLong?.code, "PAYLOAD_TOO_LARGE");
          const made = await engine.start(big, PAYLOAD_BYTES_MAX - AROUND + over);
          const error = await made.result().then(
            () => null,
            (failed: Error) => failed.cause as Error & { cause?: Error },
          );
          assert.match(
            JSON.stringify([error, error?.message, error?.cause?.message]),
            /PAYLOAD_TOO_LARGE|1048576 bytes/,
          );
          const tooDeep = await typedErrorOf(() => engine.start("big", nested(PAYLOAD_DEPTH_MAX + 1 + deeper)));
          assert.equal(tooDeep?.code, "PAYLOAD_TOO_DEEP");
          await engine.start("big", nested(PAYLOAD_DEPTH_MAX)).then((run) => run.cancel().catch(() => {}));
        }),
        effort,
      );
    } finally {
      await engine.close();
    }
  });
}

const unit = fc.constantFrom("ms", "s", "m", "h", "d", "w", "", "y", "M", "µs", "S", " s", "sec");
const almostDuration = fc.oneof(
  fc.array(fc.tuple(fc.oneof(fc.nat(), fc.double()), unit), { maxLength: 4 }).map((parts) => parts.flat().join("")),
  fc
    .array(fc.constantFrom("P", "T", "1", "0.5", "1,5", "D", "H", "M", "S", "W", "Y", "-", "e9"), { maxLength: 8 })
    .map((parts) => parts.join("")),
);

async function durationsAreReadOrRefused(effort: Effort): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.oneof(junk, almostDuration, fc.bigInt()), async (duration) => {
      let ms: number | null = null;
      const error = await typedErrorOf(() => {
        ms = parseDuration(duration as string);
      });
      if (error !== null) return assert.equal(error.code, "DURATION_INVALID");
      assert.ok(Number.isSafeInteger(ms) && (ms ?? -1) >= 0 && (ms ?? 0) <= DURATION_MS_MAX && !Object.is(ms, -0));
      assert.equal(parseDuration(formatDuration(ms ?? 0)), ms);
    }),
    effort,
  );
}

const almostInstant = fc.oneof(
  fc.date({ noInvalidDate: false }),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString().replace("Z", "+01:00")),
  fc.tuple(fc.nat(9_999), fc.nat(13), fc.nat(32)).map(([y, m, d]) => `${y}-${m}-${d}T25:61Z`),
  fc.constantFrom("2027-01-01T09:00", "2027-01-01T09:00:00Z", "tomorrow", "12", "Sat, 01 Jan 2027 00:00:00 GMT"),
);

async function instantsAreReadOrRefused(effort: Effort): Promise<void> {
  const now = 1_763_720_000_000;
  const fromCommandLine = instantArgument(() => now);
  await fc.assert(
    fc.asyncProperty(fc.oneof(junk, almostInstant, fc.bigInt()), oddText, async (instant, text) => {
      const error = await typedErrorOf(() => {
        const request = sleepUntilRequest(new Scope(""), "nap", instant as Date);
        assert.equal(request.kind, "timer");
      });
      if (error !== null) assert.equal(error.code, "INSTANT_INVALID");
      for (const each of [text, String(instant)]) {
        try {
          assert.ok(Number.isFinite(fromCommandLine(each)));
        } catch (refused) {
          assert.match((refused as Error).message, /^expected an? (instant|duration)/);
        }
      }
    }),
    effort,
  );
}

export const storedValues: readonly Property[] = [
  { title: "any value comes back from the file and from a replay as it was given", runs: 160, holds: valuesComeBack },
  { title: "the bounds of size and depth hold to the byte, by a typed error", runs: 6, holds: boundsHold },
  {
    title: "a length of time is a whole number of milliseconds or refused",
    runs: 3_000,
    holds: durationsAreReadOrRefused,
  },
  { title: "an instant is one that a timer can have, or refused", runs: 2_000, holds: instantsAreReadOrRefused },
];
