/** Schedules over HTTP: what the client is told is what the engine says. */
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { createClientOf } from "../../src/client/client.ts";
import { workflow } from "../../src/ctx/workflow.ts";
import { createApp } from "../../src/http/index.ts";
import { scheduleTimes } from "../../src/scheduler/times.ts";
import { rejection } from "../log/open.ts";
import { openLab } from "../support/lab.ts";
import { realPorts } from "../support/ports.ts";

const report = workflow({ name: "report", input: z.object({ since: z.date() }) }, async (ctx) => {
  await ctx.sleep("work", "10s");
});

const MINUTE = 60_000;
const SINCE = { since: new Date(0) };
const nightly = {
  id: "nightly",
  workflow: report,
  input: SINCE,
  cron: "0 * * * *",
  timezone: "Europe/Berlin",
} as const;

/** An engine, and two ways to it. */
async function opened() {
  const lab = openLab();
  const engine = await lab.engine({ workflows: [report] as never, times: scheduleTimes });
  const app = createApp(engine);
  const client = async (...scopes: ("runs:read" | "runs:write")[]) => {
    const { token } = await engine.keys.create({ name: "test", scopes });
    const fetch = async (url: string, init: RequestInit) => await app.fetch(new Request(url, init));
    return createClientOf({ url: "http://varve.test", key: token, fetch: fetch as never, clock: realPorts().clock });
  };
  return { lab, engine, client, schedules: (await client("runs:read", "runs:write")).schedules };
}

describe("over HTTP", () => {
  it("a schedule is made, changed, held, asked for and deleted", async () => {
    const { lab, engine, schedules } = await opened();
    const made = await schedules.create({ ...nightly, overlap: "allow", catchUp: { policy: "all", window: "2h" } });
    expect(made).toEqual(await engine.schedules.get("nightly"));
    expect(made).toMatchObject({ input: SINCE, overlap: "allow", catchUp: { policy: "all", windowMs: 7_200_000 } });
    expect(await schedules.create({ ...nightly, overlap: "allow", catchUp: { policy: "all", window: "2h" } })).toEqual(
      made,
    );
    expect(await schedules.get("nobody")).toBeNull();
    expect(await schedules.list({ limit: 1 })).toEqual({ schedules: [made], cursor: null });

    const since = new Date(1_000);
    const changed = await schedules.update("nightly", { cron: null, every: "30m", timezone: null, input: { since } });
    expect(changed).toMatchObject({ generation: 2, spec: { every: "30m" }, input: { since } });
    expect(changed).toEqual(await engine.schedules.get("nightly"));
    expect(await schedules.update("nightly", { tags: { a: "b" } })).toMatchObject({
      input: { since },
      tags: { a: "b" },
    });

    expect((await schedules.pause("nightly", { note: "n" })).paused).toMatchObject({ note: "n" });
    expect((await schedules.resume("nightly")).paused).toBeNull();
    expect(await schedules.next("nightly", { count: 2 })).toEqual(await engine.schedules.next("nightly", { count: 2 }));
    const { runId, at } = await schedules.trigger("nightly");
    expect(await engine.run(runId).status()).toMatchObject({ workflow: "report", tags: { a: "b" } });
    const range = { from: new Date(at - 61 * MINUTE), until: at, overlap: "queue-all" } as const;
    expect(await schedules.backfill("nightly", range)).toEqual({ instants: 2, known: 0 });
    await lab.pass(40 * MINUTE, 5_000);
    const { firings } = await schedules.firings("nightly", { decision: "fired" });
    expect(firings.map(({ lane }) => lane)).toEqual(["schedule", "manual", "backfill", "backfill"]);
    expect(firings).toEqual((await engine.schedules.firings("nightly", { decision: "fired" })).firings);
    const [last] = firings;
    expect(await schedules.why("nightly", last?.at as number)).toMatchObject({ decision: "fired", runId: last?.runId });

    await schedules.delete("nightly");
    expect(await schedules.get("nightly")).toBeNull();
    await engine.close();
  });

  it("an id may be anything that an address can hold", async () => {
    const { engine, schedules } = await opened();
    for (const id of ["a/b", "/", "%2e%2e", "./..", " ?#"]) {
      await schedules.create({ ...nightly, id });
      expect(await schedules.get(id)).toEqual(await engine.schedules.get(id));
      await schedules.pause(id);
      await schedules.delete(id);
    }
    for (const id of [".", ".."]) {
      for (const each of [schedules, engine.schedules]) {
        expect(await rejection(each.create({ ...nightly, id }))).toMatchObject({ code: "NAME_INVALID" });
        expect(await rejection(each.pause(id))).toMatchObject({ code: "NAME_INVALID" });
      }
    }
  });

  it("what is wrong is refused as the engine refuses it", async () => {
    const { engine, schedules } = await opened();
    await schedules.create(nightly);
    const cases: readonly (readonly [() => Promise<unknown>, string, RegExp])[] = [
      [() => schedules.create({ ...nightly, id: "x", cron: "61 * * * *" }), "SCHEDULE_INVALID", /cron/],
      [() => schedules.create({ ...nightly, cron: "1 * * * *" }), "SCHEDULE_EXISTS", /nightly/],
      [() => schedules.create({ ...nightly, id: "x", workflow: "nobody" }), "WORKFLOW_UNKNOWN", /nobody/],
      [() => schedules.create({ ...nightly, id: "x", input: {} as never }), "INPUT_INVALID", /since/],
      [() => schedules.update("nightly", { overlap: "odd" as never }), "REQUEST_INVALID", /overlap/],
      [() => schedules.backfill("nightly", { from: 0, until: 1e12 }), "BACKFILL_LIMIT", /1000/],
      [() => schedules.pause("nobody"), "SCHEDULE_NOT_FOUND", /nobody/],
      [() => schedules.firings("nightly", { cursor: "x" }), "OPTION_INVALID", /cursor/],
    ];
    for (const [call, code, message] of cases) {
      const error = await rejection(call());
      expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    }
    await engine.close();
  });

  it("a key that may only read changes nothing, and one that may only write sees nothing", async () => {
    const { engine, client, schedules } = await opened();
    await schedules.create(nightly);
    const [reader, writer] = [(await client("runs:read")).schedules, (await client("runs:write")).schedules];
    expect((await reader.list()).schedules).toHaveLength(1);
    await writer.pause("nightly");
    const refused = [
      ...[() => reader.pause("nightly"), () => reader.trigger("nightly"), () => reader.delete("nightly")],
      ...[() => reader.create(nightly), () => reader.update("nightly", {})],
      ...[
        () => writer.list(),
        () => writer.get("nightly"),
        () => writer.firings("nightly"),
        () => writer.next("nightly"),
      ],
    ];
    for (const call of refused) expect(await rejection(call())).toMatchObject({ code: "SCOPE_MISSING" });
    await engine.close();
  });
});
