import { beforeEach, describe, expect, it, vi } from "vitest";
import { type Case, cases, changed, outside, TRIAGE_URL } from "../support/examples.ts";
import { type Death, LEASE_MS, openLab } from "../support/lab.ts";

beforeEach(() => {
  vi.stubEnv("TRIAGE_URL", TRIAGE_URL);
  return () => {
    vi.unstubAllEnvs();
    vi.unstubAllGlobals();
  };
});

/** One life of a run, in which its first engine may die. Bodies that start after their completion are counted. */
async function live({ workflow, input, before, others = [], queues = {} }: Case, dies?: Death) {
  vi.stubGlobal("fetch", outside());
  const lab = openLab();
  const repeated: string[] = [];
  let bodies = 0;
  const onBody = (runId: string, key: string) => {
    bodies++;
    if (lab.isCompleted(runId, key)) repeated.push(key);
  };
  const watched = changed(workflow, { onBody });
  let appends = 0;
  for (const death of dies === undefined ? [undefined] : [dies, undefined]) {
    const engine = await lab.engine({
      workflows: [watched, ...others],
      queues,
      ...(death === undefined ? {} : { dies: death }),
    });
    await before?.(engine);
    engine.start(watched, input as never, { idempotencyKey: "the-run" }).catch(() => {});
    for (let i = 0; i < 30 && !engine.isDead; i++) {
      await lab.pass(5_000, 2_500);
      if (engine.isDead || (await lab.rows(workflow.name)).some(({ status }) => status === "completed")) break;
      lab.clock.advance(600_000);
    }
    appends = engine.appends;
    engine.kill();
    lab.clock.advance(LEASE_MS + 1_000);
  }
  const [row] = await lab.rows(workflow.name);
  const result = row?.result == null ? null : (JSON.parse(row.result) as { value: object }).value;
  const started = row === undefined ? [] : await lab.history(row.id);
  const attempts = started.filter(({ type }) => type === "attempt.started").length;
  return { status: row?.status, result, appends, repeated, bodies, attempts };
}

describe("a crash at every append", () => {
  for (const example of cases) {
    it(`changes nothing about what the example comes to: ${example.name}`, async () => {
      const whole = await live(example);
      expect(whole).toMatchObject({ status: "completed", result: example.expected, repeated: [] });
      expect(whole.appends).toBeGreaterThan(2);
      for (let append = 1; append <= whole.appends; append++) {
        for (const moment of ["before", "after"] as const) {
          const { status, result, repeated, bodies, attempts } = await live(example, { append, moment });
          const when = `death ${moment} append ${append}`;
          expect({ status, result, repeated }, when).toMatchObject({
            status: "completed",
            result: example.expected,
            repeated: [],
          });
          expect(bodies, `bodies, ${when}`).toBeLessThanOrEqual(attempts);
        }
      }
    });
  }
});
