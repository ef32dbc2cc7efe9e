import { type Ctx, workflow } from "varve";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type LabEngine, openLab } from "../support/lab.ts";

const SECRET = "the secret of the tests, long enough";
const NEXT = "the next secret of the tests, as long";
const BASE = "https://example.org/varve";
const resume = { baseUrl: BASE, secret: SECRET };

const flow = (code: (ctx: Ctx) => Promise<unknown>) => workflow({ name: "flow" }, code);
const tokenOf = (url: string) => url.slice(`${BASE}/resume/`.length);

/** Asks by one address, and tells what came. */
const asking = flow(async (ctx) => {
  const url = ctx.resumeUrl("approval");
  await ctx.step("mail", () => url);
  return await ctx.waitFor("approval");
});

/** The address that the workflow has sent. */
async function mailed(engine: LabEngine, id: string): Promise<string> {
  const sent = (await engine.history(id)).find((event) => event.type === "step.completed");
  return sent?.type === "step.completed" ? String(sent.data.value) : expect.fail("no mail was sent");
}

describe("ctx.resumeUrl", () => {
  it("records nothing, and gives each call another address", async () => {
    const lab = openLab();
    const urls: string[] = [];
    const code = flow(async (ctx) => {
      urls.push(ctx.resumeUrl("a"), ctx.resumeUrl("a"), ctx.resumeUrl("b"));
      await ctx.scope("inner", async (inner) => void urls.push(inner.resumeUrl("a")));
      await ctx.scope("inner", async (inner) => void urls.push(inner.resumeUrl("a")));
    });
    const engine = await lab.engine({ workflows: [code], resume });
    const one = await engine.start("flow");
    await one.result();
    const two = await engine.start("flow");
    await two.result();
    expect(new Set(urls).size).toBe(10);
    for (const [i, url] of urls.entries()) {
      const runId = i < 5 ? one.id : two.id;
      expect(engine.resumes.requireTicket(tokenOf(url))).toEqual({ runId, signal: i % 5 === 2 ? "b" : "a" });
    }
    expect(await lab.story(one.id)).toEqual([
      "run.created",
      ...["scope.started inner", "scope.completed inner"],
      ...["scope.started inner#2", "scope.completed inner#2"],
      "run.completed",
    ]);
  });

  it("gives replay the same addresses, in another process too", async () => {
    const lab = openLab();
    const urls: string[][] = [];
    const code = flow(async (ctx) => {
      const mine = [ctx.resumeUrl("a")];
      urls.push(mine);
      await ctx.step("first", () => 1);
      mine.push(ctx.resumeUrl("a"), ctx.resumeUrl("b"));
      await ctx.waitFor("a");
      mine.push(ctx.resumeUrl("a"));
    });
    const before = await lab.engine({ workflows: [code], resume });
    const run = await before.start("flow");
    await lab.settle();
    before.kill();
    const after = await lab.engine({ workflows: [code], resume });
    await lab.pass(20_000);
    await after.run(run.id).signal("a", 1);
    await lab.settle();
    await after.run(run.id).result();
    expect(urls).toHaveLength(2);
    expect(urls[1]?.slice(0, 3)).toEqual(urls[0]);
    expect(urls[1]).toHaveLength(4);
  });

  it("is refused without the option, and says what to do; with it the same run goes on", async () => {
    const lab = openLab();
    const without = await lab.engine({ workflows: [asking] });
    const run = await without.start("flow");
    await expect(run.result()).rejects.toMatchObject({
      cause: { name: "DefinitionError", code: "RESUME_UNCONFIGURED", message: expect.stringContaining("baseUrl") },
    });
    await without.close();
    const engine = await lab.engine({ workflows: [asking], resume });
    await engine.run(run.id).retry();
    await lab.settle();
    await engine.resumes.redeem(tokenOf(await mailed(engine, run.id)), "yes");
    expect(await engine.run(run.id).result()).toBe("yes");
  });

  it("refuses a name that is none", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => ctx.resumeUrl(""));
    const engine = await lab.engine({ workflows: [code], resume });
    await expect((await engine.start("flow")).result()).rejects.toMatchObject({ cause: { code: "NAME_INVALID" } });
  });

  it("is refused by an engine whose option is wrong", async () => {
    const lab = openLab();
    const made = lab.engine({ workflows: [asking], resume: { ...resume, secret: "short" } });
    await expect(made).rejects.toMatchObject({ code: "SECRET_INVALID" });
  });
});

describe("a token", () => {
  async function waiting(secret: string | string[] = SECRET) {
    const lab = openLab();
    const engine = await lab.engine({ workflows: [asking], resume: { baseUrl: BASE, secret } });
    const run = await engine.start("flow");
    await lab.settle();
    return { lab, engine, run, token: tokenOf(await mailed(engine, run.id)) };
  }

  const received = async (engine: LabEngine, id: string) =>
    (await engine.history(id)).filter(({ type }) => type === "signal.received").length;

  it("sends its signal once, however often it is redeemed, also at once and after the run's end", async () => {
    const { lab, engine, run, token } = await waiting();
    const sent = await Promise.all([1, 2, 3].map(() => engine.resumes.redeem(token, { by: "ada" })));
    expect(sent).toEqual([1, 2, 3].map(() => ({ runId: run.id, signal: "approval" })));
    await lab.settle();
    expect(await run.result()).toEqual({ by: "ada" });
    expect(await engine.resumes.redeem(token, { by: "bob" })).toEqual({ runId: run.id, signal: "approval" });
    expect(await received(engine, run.id)).toBe(1);
  });

  it("is spent although its run still goes on", async () => {
    const lab = openLab();
    const code = flow(async (ctx) => {
      const url = ctx.resumeUrl("approval");
      await ctx.step("mail", () => url);
      return [await ctx.waitFor("approval"), await ctx.waitFor("approval", { timeout: "1s" })];
    });
    const engine = await lab.engine({ workflows: [code], resume });
    const run = await engine.start("flow");
    await lab.settle();
    const token = tokenOf(await mailed(engine, run.id));
    await engine.resumes.redeem(token, 1);
    await lab.settle();
    await engine.resumes.redeem(token, 2);
    await lab.pass(2_000);
    expect(await run.result()).toEqual([1, null]);
    expect(await received(engine, run.id)).toBe(1);
  });

  it("that is signed again by the next secret is the same token", async () => {
    const { lab, engine, run, token } = await waiting();
    await engine.close();
    const next = await lab.engine({ workflows: [asking], resume: { baseUrl: BASE, secret: [NEXT, SECRET] } });
    await next.resumes.redeem(token, "old");
    await lab.settle();
    expect(await next.run(run.id).result()).toBe("old");
    const alone = await lab.engine({ workflows: [asking], resume: { baseUrl: BASE, secret: NEXT }, worker: false });
    expect(() => alone.resumes.requireTicket(token)).toThrow(expect.objectContaining({ code: "RESUME_UNKNOWN" }));
  });

  it("is refused when the run has ended without it", async () => {
    const { lab, engine, run, token } = await waiting();
    await run.cancel();
    await lab.settle();
    await expect(engine.resumes.redeem(token)).rejects.toMatchObject({ name: "ConflictError", code: "RUN_OVER" });
  });

  it("that is not good is refused in one way, whatever is wrong with it and whether tokens are made at all", async () => {
    const { lab, engine, token } = await waiting();
    const none = await lab.engine({ workflows: [asking], worker: false });
    const refusals: unknown[] = [];
    for (const each of ["", "x", `${token}A`, token.slice(1), token.replace(".", "")]) {
      const refusal = await engine.resumes.redeem(each).catch((error: Error) => ({ ...error, message: error.message }));
      refusals.push(JSON.stringify(refusal));
    }
    refusals.push(
      JSON.stringify(await none.resumes.redeem(token).catch((error: Error) => ({ ...error, message: error.message }))),
    );
    expect(new Set(refusals).size).toBe(1);
    expect(refusals[0]).toContain("RESUME_UNKNOWN");
  });

  it("brings a payload that fits the workflow's schema, or nothing", async () => {
    const lab = openLab();
    const urls: string[] = [];
    const strict = workflow({ name: "strict", signals: { yes: z.object({ by: z.string() }) } }, async (ctx) => {
      urls.push(ctx.resumeUrl("yes"));
      return await ctx.waitFor("yes");
    });
    const engine = await lab.engine({ workflows: [strict], resume });
    const run = await engine.start(strict, undefined);
    await lab.settle();
    const token = tokenOf(urls[0] as string);
    await expect(engine.resumes.redeem(token, { by: 7 })).rejects.toMatchObject({
      code: "SIGNAL_INVALID",
      facts: { issues: [{ path: "$.by" }] },
    });
    await expect(engine.resumes.redeem(token)).rejects.toMatchObject({ code: "SIGNAL_INVALID" });
    await engine.resumes.redeem(token, { by: "ada" });
    await lab.settle();
    expect(await run.result()).toEqual({ by: "ada" });
  });
});
