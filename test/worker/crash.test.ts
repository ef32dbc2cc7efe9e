import { type Ctx, TerminalError, workflow } from "varve";
import { describe, expect, it } from "vitest";
import type { Workflow } from "../../src/ctx/workflow.ts";
import { type Death, type Lab, LEASE_MS, openLab } from "../support/lab.ts";

/** What bodies have done. */
class World {
  readonly #lab: Lab;
  /** Bodies that started although the log held their completion. */
  readonly repeated: string[] = [];
  readonly started = new Map<string, number>();

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  body(step: { key: string; run: { id: string } }): void {
    const id = `${step.run.id} ${step.key}`;
    this.started.set(id, (this.started.get(id) ?? 0) + 1);
    if (this.#lab.isCompleted(step.run.id, step.key)) this.repeated.push(id);
  }
}

interface Specimen {
  readonly name: string;
  readonly build: (world: World) => Workflow<never, unknown, never, never>;
  readonly input?: unknown;
}

const specimens: Specimen[] = [
  {
    name: "a chain of steps",
    build: (world) =>
      workflow({ name: "chain" }, async (ctx) => {
        let sum = 0;
        for (let i = 0; i < 5; i++) {
          sum += await ctx.step("add", (step) => {
            world.body(step);
            return i;
          });
        }
        return sum;
      }),
  },
  {
    name: "parallel steps and a race",
    build: (world) =>
      workflow({ name: "parallel" }, async (ctx) => {
        const parts = await Promise.all(
          [1, 2, 3].map((n) =>
            ctx.step(`part-${n}`, async (step) => {
              world.body(step);
              for (let i = 0; i < n; i++) await Promise.resolve();
              return n;
            }),
          ),
        );
        const winner = await Promise.race([
          ctx.step("slow", async (step) => {
            world.body(step);
            for (let i = 0; i < 50; i++) await Promise.resolve();
            return "slow";
          }),
          ctx.step("quick", (step) => {
            world.body(step);
            return "quick";
          }),
        ]);
        const after = await ctx.step(`after-${winner}`, (step) => {
          world.body(step);
          return winner.length;
        });
        return { parts, winner, after };
      }),
  },
  {
    name: "retries, sleeps and a failure that is caught",
    build: (world) =>
      workflow({ name: "retries" }, async (ctx) => {
        const flaky = await ctx.step(
          "flaky",
          (step) => {
            world.body(step);
            if (step.attempt < 3) throw new Error(`attempt ${step.attempt}`);
            return "done at last";
          },
          { retry: { attempts: 20, initial: "1s", backoff: "fixed", jitter: "none" } },
        );
        await ctx.sleep("pause", "1h");
        const caught = await ctx
          .step("hopeless", (step) => {
            world.body(step);
            throw new TerminalError("no use");
          })
          .catch((error: Error) => (error.cause as Error).message);
        return { flaky: flaky.length, caught, at: typeof ctx.now().getTime() };
      }),
  },
  {
    name: "scopes within scopes",
    build: (world) =>
      workflow({ name: "scopes" }, async (ctx) => {
        const page = (parent: Ctx, n: number) =>
          parent.scope("page", async (scope) => {
            const item = await scope.step("item", (step) => {
              world.body(step);
              return n;
            });
            await scope.sleep("breath", "2s");
            const inner = await scope.scope("inner", async (deep) => {
              const value = await deep.step("deep", (step) => {
                world.body(step);
                return item * 10;
              });
              return value + deep.random() * 0;
            });
            return inner + item;
          });
        const first = await page(ctx, 1);
        const [second, third] = await Promise.all([page(ctx, 2), page(ctx, 3)]);
        const failed = await ctx
          .scope("failing", async (scope) => {
            await scope.step("before", world.body.bind(world));
            throw new TypeError("on purpose");
          })
          .catch((error: Error) => error.name);
        return { first, second, third, failed, uuid: ctx.uuid().length };
      }),
  },
  {
    name: "maps, one of which tolerates a failure",
    build: (world) =>
      workflow({ name: "maps" }, async (ctx) => {
        const lengths = await ctx.map(
          "word",
          ["one", "three", "five"],
          async (word, item) => {
            await item.sleep("breath", `${word.length}s`);
            const parts = await item.map("letter", [...word], (letter, each) =>
              each.step("code", (step) => {
                world.body(step);
                return letter.charCodeAt(0);
              }),
            );
            return parts.length;
          },
          { concurrency: 2 },
        );
        const settled = await ctx.map(
          "word",
          lengths,
          (length, item) =>
            item.step("odd", (step) => {
              world.body(step);
              if (length % 2 === 0) throw new TerminalError("even");
              return length;
            }),
          { tolerate: "34%" },
        );
        return { lengths, settled: settled.map(({ status }) => status) };
      }),
  },
  {
    name: "a timer against a step, and promises of every kind",
    build: (world) =>
      workflow({ name: "combinators" }, async (ctx) => {
        const step = (name: string, fails = false) =>
          ctx.step(
            name,
            (each) => {
              world.body(each);
              if (fails) throw new TerminalError(name);
              return name;
            },
            { retry: { attempts: 1_000 } },
          );
        const raced = await Promise.race([step("work"), ctx.sleep("limit", "400d").then(() => "late")]);
        const settled = await Promise.allSettled([step("good"), step("bad", true)]);
        const any = await Promise.any([step("bad-2", true), step("good-2")]);
        return { raced, settled: settled.map(({ status }) => status), any };
      }),
  },
];

/** Lives with the run until it ends, whoever has to go on with it. Returns what it came to. */
async function survive(
  lab: Lab,
  specimen: Specimen,
  deaths: readonly Death[],
): Promise<{ result: unknown; world: World; appends: number }> {
  const world = new World(lab);
  const definition = specimen.build(world);
  let appends = 0;
  for (const dies of [...deaths, undefined]) {
    const engine = await lab.engine({ workflows: [definition], ...(dies === undefined ? {} : { dies }) });
    engine.start(definition.name, specimen.input, { idempotencyKey: "the-run" }).catch(() => {});
    for (let i = 0; i < 60 && !engine.isDead; i++) {
      await lab.pass(1_000, 500);
      if ((await lab.rows(definition.name)).some(({ status }) => status === "completed")) break;
      lab.clock.advance(3_600_000);
    }
    appends = engine.appends;
    engine.kill();
    lab.clock.advance(LEASE_MS + 1_000);
  }
  const [row] = await lab.rows(definition.name);
  return { result: JSON.parse(row?.result ?? "null"), world, appends };
}

/** Every body was recorded as an attempt before it started, and none started after its completion was recorded. */
async function checkBodies(lab: Lab, world: World): Promise<void> {
  expect(world.repeated).toEqual([]);
  for (const [id, bodies] of world.started) {
    const [runId, key] = id.split(" ") as [string, string];
    const attempts = (await lab.history(runId)).filter(
      (event) => event.type === "attempt.started" && event.key === key,
    );
    expect(bodies, `bodies of ${id}`).toBeLessThanOrEqual(attempts.length);
  }
}

describe("a crash at every append", () => {
  for (const specimen of specimens) {
    it(`changes nothing about what ${specimen.name} comes to`, async () => {
      const whole = await survive(openLab(), specimen, []);
      expect(whole.result).not.toBeNull();
      expect(whole.appends).toBeGreaterThan(3);
      for (let append = 1; append <= whole.appends; append++) {
        for (const moment of ["before", "after"] as const) {
          const lab = openLab();
          const { result, world } = await survive(lab, specimen, [{ append, moment }]);
          expect(result, `death ${moment} append ${append}`).toEqual(whole.result);
          await checkBodies(lab, world);
        }
      }
    });
  }

  it("and another crash in the recovery change nothing either", async () => {
    const specimen = specimens[3] as Specimen;
    const whole = await survive(openLab(), specimen, []);
    for (let first = 1; first <= whole.appends; first += 3) {
      for (let second = 1; second <= 9; second += 2) {
        const lab = openLab();
        const deaths: Death[] = [
          { append: first, moment: "after" },
          { append: second, moment: "before" },
        ];
        const { result, world } = await survive(lab, specimen, deaths);
        expect(result, `deaths at ${first} and ${second}`).toEqual(whole.result);
        await checkBodies(lab, world);
      }
    }
  });
});
