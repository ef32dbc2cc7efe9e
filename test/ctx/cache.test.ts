import { type CacheOptions, type Ctx, type StepCallOptions, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { type Lab, type LabEngine, openLab } from "../support/lab.ts";

type Code = (ctx: Ctx, input: string) => Promise<unknown>;

const flow = (code: Code, name = "flow") => workflow({ name }, code);

/** A workflow of one cached step, whose bodies are counted. */
class Source {
  calls = 0;
  value: (call: number) => unknown = (call) => `value ${call}`;

  flow(options: StepCallOptions = {}, name = "flow", step = "read") {
    return flow(
      (ctx, input) =>
        ctx.step(step, () => this.read() as string, { cache: { key: input, ttl: "1m" }, ...options } as never),
      name,
    );
  }

  read(): unknown {
    return this.value(++this.calls);
  }
}

async function runOf(lab: Lab, engine: LabEngine, input: string, name = "flow") {
  const run = await engine.start(name, input);
  await lab.settle();
  return { id: run.id, result: await run.result().catch((error) => error.cause.code) };
}

describe("a cached step", () => {
  it("takes what another run's step of the same key came to, in any process, without its body", async () => {
    const lab = openLab();
    const source = new Source();
    const at = new Date(7);
    source.value = () => ({ at, tags: new Set(["x"]) });
    const workflows = [source.flow()];
    const engines = [await lab.engine({ workflows }), await lab.engine({ workflows })];
    const first = await runOf(lab, engines[0]!, "a");
    const second = await runOf(lab, engines[1]!, "a");
    expect([first.result, second.result]).toEqual([source.value(1), source.value(1)]);
    expect(source.calls).toBe(1);
    expect(await lab.story(second.id)).toEqual(["run.created", "step.completed read", "run.completed"]);
    const hit = (await lab.history(second.id))[1];
    expect(hit?.data).toMatchObject({ cached: true });
    await runOf(lab, engines[1]!, "b");
    expect(source.calls).toBe(2);
  });

  it("runs its body again when the time is over", async () => {
    const lab = openLab();
    const source = new Source();
    const engine = await lab.engine({ workflows: [source.flow()] });
    await runOf(lab, engine, "a");
    await lab.pass(59_000, 5_000);
    expect((await runOf(lab, engine, "a")).result).toBe("value 1");
    await lab.pass(2_000, 1_000);
    expect((await runOf(lab, engine, "a")).result).toBe("value 2");
  });

  it("shares with no other step and no other workflow", async () => {
    const lab = openLab();
    const source = new Source();
    const workflows = [source.flow(), source.flow({}, "other"), source.flow({}, "third", "write")];
    const engine = await lab.engine({ workflows });
    for (const name of ["flow", "other", "third"]) await runOf(lab, engine, "a", name);
    expect(source.calls).toBe(3);
  });

  it("keeps no failure, and nothing that is too large to be kept", async () => {
    const lab = openLab();
    const source = new Source();
    source.value = (call) => {
      if (call === 1) throw new Error("broken");
      return call === 2 ? "x".repeat(300_000) : "small";
    };
    const engine = await lab.engine({ workflows: [source.flow({ retry: { attempts: 1 } })] });
    expect((await runOf(lab, engine, "a")).result).toBe("STEP_FAILED");
    expect((await runOf(lab, engine, "a")).result).toHaveLength(300_000);
    expect((await runOf(lab, engine, "a")).result).toBe("small");
    expect((await runOf(lab, engine, "a")).result).toBe("small");
    expect(source.calls).toBe(3);
  });

  it("believes whoever was first", async () => {
    const lab = openLab();
    const source = new Source();
    const answers: (() => void)[] = [];
    source.value = (call) => new Promise((resolve) => answers.push(() => resolve(`value ${call}`)));
    const engine = await lab.engine({ workflows: [source.flow()] });
    const runs = [await engine.start("flow", "a"), await engine.start("flow", "a")];
    await lab.settle();
    expect(source.calls).toBe(2);
    answers[1]?.();
    await lab.settle();
    answers[0]?.();
    await lab.settle();
    expect(await Promise.all(runs.map((run) => run.result()))).toEqual(["value 1", "value 2"]);
    expect((await runOf(lab, engine, "a")).result).toBe("value 2");
  });

  it("gives replay what was found, whatever the cache holds by then", async () => {
    const lab = openLab();
    const source = new Source();
    const naps = flow(async (ctx, input) => {
      const value = await ctx.step("read", () => source.read() as string, { cache: { key: input, ttl: "10s" } });
      await ctx.sleep("nap", "1m");
      return value;
    });
    const engine = await lab.engine({ workflows: [naps], worker: { hotRunsMax: 0 } });
    await engine.start("flow", "a");
    await lab.settle();
    const hit = await engine.start("flow", "a");
    await lab.pass(70_000, 2_500);
    expect(await hit.result()).toBe("value 1");
    expect(source.calls).toBe(1);
  });

  it("comes to the same though its process dies at any append", async () => {
    for (let append = 1; append <= 4; append++) {
      for (const moment of ["before", "after"] as const) {
        const lab = openLab();
        const source = new Source();
        source.value = () => "value";
        const first = await lab.engine({ workflows: [source.flow()], dies: { append, moment } });
        first.start("flow", "a", { idempotencyKey: "k" }).catch(() => {});
        await lab.settle();
        first.kill();
        await lab.pass(20_000, 5_000);
        const second = await lab.engine({ workflows: [source.flow()] });
        const run = await second.start("flow", "a", { idempotencyKey: "k" });
        await lab.pass(5_000, 1_000);
        expect(await run.result(), `${moment} append ${append}`).toBe("value");
      }
    }
  });

  it("cannot be compensated, and its key and time are checked", async () => {
    const refused = async (options: StepCallOptions) => {
      const lab = openLab();
      const engine = await lab.engine({
        workflows: [flow(async (ctx) => ctx.step("read", () => 1, options as never))],
      });
      return (await runOf(lab, engine, "a")).result;
    };
    const cache = (options: unknown) => ({ cache: options as CacheOptions });
    expect(await refused({ ...cache({ key: "a", ttl: "1m" }), compensate: () => {} })).toBe("STEP_INVALID");
    expect(await refused(cache({ key: "", ttl: "1m" }))).toBe("NAME_INVALID");
    expect(await refused(cache({ ttl: "1m" }))).toBe("NAME_INVALID");
    expect(await refused(cache({ key: "a", ttl: 0 }))).toBe("OPTION_INVALID");
    expect(await refused(cache({ key: "a" }))).toBe("DURATION_INVALID");
  });
});
