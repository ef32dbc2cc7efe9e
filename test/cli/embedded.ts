/** An engine in this process that owns a file and serves no HTTP. */
import { workflow } from "varve";
import { createEngine } from "varve/node";
import { onTestFinished } from "vitest";

const sleeper = workflow({ name: "sleeper" }, async (ctx) => {
  await ctx.sleep("long", "1h");
});

/** Owns the file until the test ends, with a run in it, whose id is returned. */
export async function ownInProcess(path: string): Promise<string> {
  const engine = await createEngine({ db: `file:${path}`, workflows: [sleeper] });
  onTestFinished(() => engine.close());
  return (await engine.start(sleeper, undefined)).id;
}
