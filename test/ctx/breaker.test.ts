import { type BreakerOptions, type Ctx, type RetryOptions, TerminalError, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { type Lab, type LabEngine, openLab } from "../support/lab.ts";

type Code = (ctx: Ctx, input: string) => Promise<unknown>;

const flow = (code: Code, name = "flow") => workflow({ name }, code);

const BANK: BreakerOptions = { name: "bank", failures: 2, window: "1m", resetAfter: "10s" };
const ONCE: RetryOptions = { attempts: 1 };

/** A bank that is out of order, or not. */
class Bank {
  isUp = false;
  readonly calls: string[] = [];

  /** A workflow of one step that asks it. */
  flow(retry: RetryOptions = ONCE, breaker: BreakerOptions = BANK) {
    return flow((ctx, input) =>
      ctx
        .step("pay", () => this.pay(input), { breaker, retry })
        .catch((error) => [error.code, error.cause?.message ?? error.facts.until]),
    );
  }

  pay(input: string): string {
    this.calls.push(input);
    if (!this.isUp) throw new Error("out of order");
    return "paid";
  }
}

async function resultOf(lab: Lab, engine: LabEngine, input: string, name = "flow") {
  const run = await engine.start(name, input);
  await lab.settle();
  return { run, result: await run.result() };
}

async function changesOf(lab: Lab, runId: string) {
  return (await lab.history(runId)).flatMap((event) =>
    event.type === "breaker.changed" ? [`${event.data.name}: ${event.data.from} to ${event.data.to}`] : [],
  );
}

describe("a step with a breaker", () => {
  it("fails at once while it is open, in every run, and tries again after its time", async () => {
    const lab = openLab();
    const bank = new Bank();
    const engines = [await lab.engine({ workflows: [bank.flow()] }), await lab.engine({ workflows: [bank.flow()] })];
    const first = await resultOf(lab, engines[0]!, "1");
    const second = await resultOf(lab, engines[1]!, "2");
    expect([first.result, second.result]).toEqual([
      ["STEP_FAILED", "out of order"],
      ["STEP_FAILED", "out of order"],
    ]);
    const third = await resultOf(lab, engines[0]!, "3");
    expect(third.result).toEqual(["BREAKER_OPEN", lab.clock.now() + 10_000]);
    expect(bank.calls).toEqual(["1", "2"]);
    await lab.pass(10_000, 1_000);
    bank.isUp = true;
    const probe = await resultOf(lab, engines[1]!, "4");
    const last = await resultOf(lab, engines[0]!, "5");
    expect([probe.result, last.result]).toEqual(["paid", "paid"]);
    // Each change is in the history of the run that caused it.
    expect(await changesOf(lab, first.run.id)).toEqual([]);
    expect(await changesOf(lab, second.run.id)).toEqual(["bank: closed to open"]);
    expect(await changesOf(lab, third.run.id)).toEqual([]);
    expect(await changesOf(lab, probe.run.id)).toEqual(["bank: open to half-open", "bank: half-open to closed"]);
    expect(await changesOf(lab, last.run.id)).toEqual([]);
    expect(await lab.story(third.run.id)).toEqual(["run.created", "step.failed pay", "run.completed"]);
    expect(await lab.story(probe.run.id)).toEqual([
      "run.created",
      "breaker.changed pay #1",
      "attempt.started pay #1",
      "breaker.changed pay #1",
      "step.completed pay #1",
      "run.completed",
    ]);
  });

  it("opens again when the probe fails", async () => {
    const lab = openLab();
    const bank = new Bank();
    const engine = await lab.engine({ workflows: [bank.flow()] });
    await resultOf(lab, engine, "1");
    await resultOf(lab, engine, "2");
    await lab.pass(10_000, 1_000);
    const probe = await resultOf(lab, engine, "3");
    expect(probe.result).toEqual(["STEP_FAILED", "out of order"]);
    expect(await changesOf(lab, probe.run.id)).toEqual(["bank: open to half-open", "bank: half-open to open"]);
    expect((await resultOf(lab, engine, "4")).result).toEqual(["BREAKER_OPEN", lab.clock.now() + 10_000]);
  });

  it("does not begin another attempt once it is open", async () => {
    const lab = openLab();
    const bank = new Bank();
    const engine = await lab.engine({ workflows: [bank.flow({ attempts: 5, initial: "1s", jitter: "none" })] });
    const run = await engine.start("flow", "1");
    await lab.pass(60_000, 500);
    expect(await run.result()).toEqual(["BREAKER_OPEN", expect.any(Number)]);
    expect(bank.calls).toEqual(["1", "1"]);
    expect(await lab.story(run.id)).toEqual([
      "run.created",
      "attempt.started pay #1",
      "attempt.failed pay #1",
      "run.claimed",
      "attempt.started pay #2",
      "breaker.changed pay #2",
      "attempt.failed pay #2",
      "run.claimed",
      "step.failed pay #2",
      "run.completed",
    ]);
  });

  it("takes a TerminalError for an answer", async () => {
    const lab = openLab();
    let calls = 0;
    const declined = flow(async (ctx) =>
      ctx
        .step(
          "pay",
          () => {
            calls++;
            throw new TerminalError("card declined");
          },
          { breaker: BANK },
        )
        .catch((error) => error.code),
    );
    const engine = await lab.engine({ workflows: [declined] });
    for (const input of ["1", "2", "3", "4"]) {
      expect((await resultOf(lab, engine, input)).result).toBe("STEP_FAILED");
    }
    expect(calls).toBe(4);
  });

  it("counts attempts that take too long", async () => {
    const lab = openLab();
    const slow = flow(async (ctx) =>
      ctx
        .step("pay", () => new Promise<never>(() => {}), { breaker: BANK, retry: ONCE, timeout: "1s" })
        .catch((error) => error.code),
    );
    const engine = await lab.engine({ workflows: [slow] });
    const runs = [];
    for (const input of ["1", "2"]) runs.push(await engine.start("flow", input));
    await lab.pass(2_000, 250);
    expect((await resultOf(lab, engine, "3")).result).toBe("BREAKER_OPEN");
  });

  it("has its fallback taken while it is open", async () => {
    const lab = openLab();
    const bank = new Bank();
    const kind = flow(
      async (ctx, input) => ctx.step("pay", () => bank.pay(input), { breaker: BANK, retry: ONCE, fallback: "later" }),
      "kind",
    );
    const engine = await lab.engine({ workflows: [kind] });
    const results = [];
    for (const input of ["1", "2", "3"]) results.push((await resultOf(lab, engine, input, "kind")).result);
    expect(results).toEqual(["later", "later", "later"]);
    expect(bank.calls).toEqual(["1", "2"]);
  });

  it("does not share what another name guards", async () => {
    const lab = openLab();
    const bank = new Bank();
    const workflows = [bank.flow(), { ...bank.flow(ONCE, { ...BANK, name: "other" }), name: "other" }];
    const engine = await lab.engine({ workflows });
    await resultOf(lab, engine, "1");
    await resultOf(lab, engine, "2");
    expect((await resultOf(lab, engine, "3")).result).toEqual(["BREAKER_OPEN", expect.any(Number)]);
    expect((await resultOf(lab, engine, "4", "other")).result).toEqual(["STEP_FAILED", "out of order"]);
  });

  it("that cannot be is refused", async () => {
    const lab = openLab();
    const bank = new Bank();
    const engine = await lab.engine({ workflows: [bank.flow(ONCE, { name: "bank", failures: 0 })] });
    expect((await resultOf(lab, engine, "1")).result).toEqual(["OPTION_INVALID", undefined]);
  });
});

describe("two runs at a breaker that is about to be half-open", () => {
  it("are let through one at a time", async () => {
    const lab = openLab();
    const calls: string[] = [];
    let answer = () => {};
    const bank = new Bank();
    const slow = flow(
      async (ctx, input) =>
        ctx
          .step(
            "pay",
            async () => {
              calls.push(input);
              await new Promise<void>((resolve) => {
                answer = resolve;
              });
              return "paid";
            },
            { breaker: BANK, retry: ONCE },
          )
          .catch((error) => error.code),
      "slow",
    );
    const engines = [
      await lab.engine({ workflows: [bank.flow(), slow] }),
      await lab.engine({ workflows: [bank.flow(), slow] }),
    ];
    await resultOf(lab, engines[0]!, "1");
    await resultOf(lab, engines[0]!, "2");
    await lab.pass(10_000, 1_000);
    const runs = await Promise.all(engines.map((engine, i) => engine.start("slow", `${i + 3}`)));
    await lab.settle();
    expect(calls).toHaveLength(1);
    answer();
    await lab.settle();
    const results = await Promise.all(runs.map((run) => run.result()));
    expect(results.sort()).toEqual(["BREAKER_OPEN", "paid"]);
  });
});

describe("a process that dies", () => {
  it("neither counts a failure twice nor loses a change, at any call and any append", async () => {
    for (const site of ["putKeyed", "append"] as const) {
      for (let call = 1; call <= (site === "append" ? 6 : 2); call++) {
        const lab = openLab();
        const bank = new Bank();
        const strict = { ...BANK, failures: 2 };
        const workflows = [bank.flow({ attempts: 3, initial: 0 }, strict)];
        const first = await lab.engine({ workflows });
        const method = lab.store[site].bind(lab.store) as (arg: never) => Promise<never>;
        let calls = 0;
        Object.assign(lab.store, {
          [site]: async (arg: never) => {
            const verdict = await method(arg);
            if (++calls === call) first.kill();
            return verdict;
          },
        });
        first.start("flow", "1", { idempotencyKey: "k" }).catch(() => {});
        await lab.pass(2_000, 500);
        first.kill();
        await lab.pass(20_000, 5_000);
        const second = await lab.engine({ workflows });
        const run = await second.start("flow", "1", { idempotencyKey: "k" });
        await lab.pass(20_000, 1_000);
        expect(await statusOf(run), `${site} ${call}`).toBe("completed");
        const changes = await changesOf(lab, run.id);
        // Every change leads on from the one before, so none is lost and none is told twice.
        const states = changes.map((change) => change.slice("bank: ".length).split(" to "));
        expect(states[0]?.[0] ?? "closed", `${site} ${call}: ${changes}`).toBe("closed");
        for (const [i, [from]] of states.entries()) if (i > 0) expect(from).toBe(states[i - 1]?.[1]);
        const { value } = await lab.store.getKeyed("breaker", "bank");
        const last = value === null ? "closed" : JSON.parse(value).value.status;
        expect(states.at(-1)?.[1] ?? "closed", `${site} ${call}: ${changes}`).toBe(last);
      }
    }
  });
});

const statusOf = async (run: { status(): Promise<{ status: string }> }) => (await run.status()).status;

describe("ctx.breaker", () => {
  const guarded = (bank: Bank) =>
    flow((ctx, input) =>
      ctx
        .breaker(BANK, async (inner) => {
          await inner.step("look", () => "looked");
          return await inner.step("pay", () => bank.pay(input), { retry: ONCE });
        })
        .catch((error) => error.code),
    );

  it("guards a part of a run", async () => {
    const lab = openLab();
    const bank = new Bank();
    const engine = await lab.engine({ workflows: [guarded(bank)] });
    const results = [];
    for (const input of ["1", "2", "3"]) results.push((await resultOf(lab, engine, input)).result);
    expect(results).toEqual(["STEP_FAILED", "STEP_FAILED", "BREAKER_OPEN"]);
    await lab.pass(10_000, 1_000);
    bank.isUp = true;
    const probe = await resultOf(lab, engine, "4");
    expect(probe.result).toBe("paid");
    expect((await resultOf(lab, engine, "5")).result).toBe("paid");
    expect(bank.calls).toEqual(["1", "2", "4", "5"]);
    expect(await lab.story(probe.run.id)).toEqual([
      "run.created",
      "breaker.changed bank.breaker",
      "breaker.admitted bank.breaker",
      "scope.started bank",
      "attempt.started bank/look #1",
      "step.completed bank/look #1",
      "attempt.started bank/pay #1",
      "step.completed bank/pay #1",
      "scope.completed bank",
      "breaker.changed bank.report",
      "breaker.reported bank.report",
      "run.completed",
    ]);
  });

  it("takes a cancel for no failure", async () => {
    const lab = openLab();
    const naps = flow(async (ctx) => ctx.breaker({ ...BANK, failures: 1 }, async (inner) => inner.sleep("nap", "1h")));
    const engine = await lab.engine({ workflows: [naps] });
    const run = await engine.start("flow", "1");
    await lab.settle();
    await run.cancel();
    await lab.settle();
    expect(await statusOf(run)).toBe("cancelled");
    expect((await lab.store.getKeyed("breaker", "bank")).value).toBeNull();
  });

  it("goes on after a crash as the probe that it was", async () => {
    const lab = openLab();
    const bank = new Bank();
    const workflows = [guarded(bank)];
    const first = await lab.engine({ workflows });
    await resultOf(lab, first, "1");
    await resultOf(lab, first, "2");
    await lab.pass(10_000, 1_000);
    bank.isUp = true;
    const { append } = lab.store;
    lab.store.append = async (write) => {
      const verdict = await append.call(lab.store, write);
      if (write.runs.some(({ events }) => events.some(({ key }) => key === "bank/look"))) first.kill();
      return verdict;
    };
    const run = await first.start("flow", "3");
    await lab.pass(1_000, 500);
    lab.store.append = append;
    await lab.pass(20_000, 5_000);
    const second = await lab.engine({ workflows });
    await lab.pass(5_000, 500);
    expect(await second.run(run.id).result()).toBe("paid");
    expect(await changesOf(lab, run.id)).toEqual(["bank: open to half-open", "bank: half-open to closed"]);
  });
});
