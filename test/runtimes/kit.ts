/** What the testing kit does in any runner of tests: nothing here knows which one it is. */
import { withEnv } from "varve";
import { fails, replayHistory, returns, snapshotOf, testEngine } from "varve/testing";

const DAYS = 90;

const { workflow } = withEnv<{ now(): number }>();
const patient = workflow({ name: "patient" }, async (ctx, days: number) => {
  const charged = await ctx.step("charge", () => "really");
  for (let day = 0; day < days; day++) {
    await ctx.sleep("a day", "1d");
    // A timer of the platform, for which virtual time waits.
    await ctx.step("look", () => new Promise<void>((resolve) => setTimeout(resolve, day === 0 ? 5 : 0)), {
      timeout: "1ms",
    });
  }
  return { charged, at: ctx.now() };
});

export async function kitWorks(): Promise<void> {
  const t = await testEngine({
    workflows: [patient],
    env: (world) => world,
    steps: { charge: fails(1, new Error("busy"), returns("mocked")) },
    crashes: [{ step: "look#3", moment: "end" }],
  });
  const run = await t.start(patient, DAYS);
  await t.advance("1d");
  await t.crash();
  const { charged, at } = await run.result();
  expectSame(charged, "mocked");
  expectSame(Math.floor((at.getTime() - Date.UTC(2026, 0, 1)) / 86_400_000), DAYS);
  expectSame(t.crashes, 2);
  expectSame(t.calls("look#*").length, DAYS + 1);
  const history = await run.history();
  const report = await replayHistory(patient, JSON.stringify(history));
  expectSame(report.calls.length, 1 + 2 * DAYS);
  expectSame(snapshotOf(history).split("\n")[1], "attempt.started      charge (1)");
  await t.close();
}

function expectSame(found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`expected ${String(expected)}, but found ${String(found)}`);
}
