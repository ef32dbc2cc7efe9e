/** `varve webhooks`: deliveries from a file and from a server, replays, and deliveries that are signed to try a hook. */
import { describe, expect, it } from "vitest";
import type { WireDelivery, WireDeliveryPage } from "../../src/http/wire-deliveries.ts";
import { json, jsonError, type Outcome, type Place, place } from "./varve.ts";

const MODULE = `
import { cel, env, github, stripe, webhook, workflow } from "varve";

export const triage = workflow({ name: "triage" }, (ctx, input: { title: string }) => ctx.step("note", () => input.title));

export const hub = webhook({
  name: "hub",
  scheme: github({ secrets: env("HUB_SECRET") }),
  filter: cel('body.action == "' + (process.env.ACTION ?? "opened") + '"'),
  workflow: triage,
});

export const pay = webhook({ name: "pay", scheme: stripe({ secrets: env("HUB_SECRET") }), workflow: triage });
`;

const ENV = { HUB_SECRET: "a secret of the hub's" };
const OPENED = '{"action":"opened","title":"It broke"}';

function withModule(): Place {
  const here = place();
  here.write("workflows/hub.ts", MODULE);
  here.write("opened.json", OPENED);
  return here;
}

const deliveriesOf = (outcome: Outcome) =>
  json<WireDeliveryPage>(outcome).deliveries.map(({ id, replay, decision }) => [id, replay, decision]);

describe("a hook that is tried", () => {
  it("decides here by --dry-run, and nothing is done", async () => {
    const here = withModule();
    const dry = async (...args: string[]) => await here.varve(["webhooks", "test", ...args, "--dry-run"], { env: ENV });
    const { code, stdout } = await dry("hub", "@opened.json");
    expect({ code, stdout }).toEqual({ code: 0, stdout: `would start triage with ${OPENED}\n` });
    expect((await dry("hub", '{"action":"closed"}')).stdout).toMatch(/^would be ignored: FILTERED: .*"opened"/);
    expect((await dry("hub", "{")).stdout).toMatch(/^would be invalid: BODY_INVALID/);
    expect(json(await dry("pay", "--json"))).toMatchObject({
      verified: true,
      deliveryId: expect.stringMatching(/^test-/),
      decision: { kind: "start", input: { type: "varve.test" } },
    });
    const other = await here.varve(["webhooks", "test", "pay", "--dry-run", "--json"]);
    expect(jsonError(other)).toMatchObject({ code: "SECRET_INVALID", facts: { missing: ["HUB_SECRET"] } });
    expect(jsonError(await here.varve(["webhooks", "test", "nope", "--json"])).code).toBe("HOOK_UNKNOWN");
    expect(jsonError(await here.varve(["webhooks", "test", "hub", "--json"], { env: ENV })).code).toBe(
      "SERVER_MISSING",
    );
    expect(jsonError(await dry("hub", "@gone.json", "--json")).code).toBe("INPUT_UNREADABLE");
  });

  it("is sent a delivery by a server's own secret, which is then listed, shown and replayed", async () => {
    const here = withModule();
    const server = await here.serve([], { env: ENV });
    const test = async (body: string, id: string) =>
      await here.varve(["webhooks", "test", "hub", body, "--id", id, "--json"], { env: ENV });
    const started = json<{ status: number; answer: WireDelivery }>(await test("@opened.json", "d-1"));
    expect(started).toMatchObject({ status: 202, answer: { deliveryId: "d-1", decision: "started", created: true } });
    expect(json(await test('{"action":"closed"}', "d-2"))).toMatchObject({ answer: { decision: "ignored" } });
    const invalid = await test("{", "d-3");
    expect(invalid.code).toBe(1);
    expect(json(invalid)).toMatchObject({ status: 422, answer: { code: "BODY_INVALID" } });
    const forged = await here.varve(["webhooks", "test", "hub", "{}"], { env: { HUB_SECRET: "another" } });
    expect([forged.code, forged.stdout]).toEqual([1, expect.stringMatching(/^401 /)]);
    const list = async (...args: string[]) => await here.varve(["webhooks", "list", ...args, "--json"]);
    expect(deliveriesOf(await list())).toEqual([
      ["d-3", 0, "invalid"],
      ["d-2", 0, "ignored"],
      ["d-1", 0, "started"],
    ]);
    expect(deliveriesOf(await list("--decision", "started", "--hook", "hub"))).toEqual([["d-1", 0, "started"]]);
    expect(json(await list("--refused"))).toMatchObject({ refused: [{ hook: "hub", reason: "signature-wrong" }] });
    const { stdout } = await here.varve(["webhooks", "list"]);
    expect(stdout.split("\n")[1]).toMatch(/^hub\td-2\tignored\t\t\S+\tFILTERED: /);
    expect((await here.varve(["webhooks", "show", "hub", "d-1", "--body"])).stdout).toBe(OPENED);
    const shown = (await here.varve(["webhooks", "show", "hub", "d-1"])).stdout;
    expect(shown).toContain(`started ${started.answer.runId}`);
    expect(shown).toContain("x-github-delivery: d-1");
    const ignored = (await here.varve(["webhooks", "show", "hub", "d-2"])).stdout;
    expect(ignored).toMatch(/^hub d-2\n {2}ignored\n {2}FILTERED: .*body\.action == "opened"/);
    expect(json(await here.varve(["webhooks", "show", "hub", "d-2", "--json"]))).toMatchObject({
      ...{ decision: "ignored", runId: null },
      reason: { code: "FILTERED", message: expect.stringContaining('body.action == "opened"') },
    });
    expect((await here.varve(["webhooks", "show", "hub", "gone"])).code).toBe(3);
    const replay = json<WireDelivery>(await here.varve(["webhooks", "replay", "hub", "d-1", "--json"]));
    expect(replay).toMatchObject({ decision: "started", replay: 1, created: true });
    expect(replay.runId).not.toBe(started.answer.runId);
    server.kill("SIGTERM");
    await server.ended;
    // Without a server: the hook of the modules decides, as it is now.
    expect(deliveriesOf(await list("-n", "1"))).toEqual([["d-1", 1, "started"]]);
    const again = await here.varve(["webhooks", "replay", "hub", "d-2"], { env: { ...ENV, ACTION: "closed" } });
    expect([again.code, again.stdout]).toEqual([0, expect.stringMatching(/^started run_/)]);
  }, 60_000);

  it("is told what a value of an option must be", async () => {
    const outcome = await place().varve(["webhooks", "list", "--decision", "lost", "--json"]);
    expect(outcome.code).toBe(2);
    expect(jsonError(outcome).code).toBe("USAGE");
  });
});
