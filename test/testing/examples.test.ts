/** The examples of `workflows/`, each through some dozens of lives in which everything that can go wrong does. */
import { type SimulatedCase, type SimulatedRun, type SimulatedWorld, simulate } from "varve/testing";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { githubTriage } from "../../workflows/github-triage.ts";
import { newsletter } from "../../workflows/newsletter.ts";
import { nightlyReport } from "../../workflows/nightly-report.ts";
import { orderFulfilment } from "../../workflows/order-fulfilment.ts";
import { stagedRollout } from "../../workflows/staged-rollout.ts";
import { cases, outside, TRIAGE_URL } from "../support/examples.ts";

const SEEDS = 30;
const PAYMENTS_URL = "https://payments.example";
const MAIL_URL = "https://mail.example";
const ROUTER_URL = "https://router.example";

beforeEach(() => {
  vi.stubEnv("TRIAGE_URL", TRIAGE_URL);
  vi.stubEnv("PAYMENTS_URL", PAYMENTS_URL);
  vi.stubEnv("MAIL_URL", MAIL_URL);
  vi.stubEnv("ROUTER_URL", ROUTER_URL);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

/** What the examples have done to their world. */
interface Effects {
  readonly charges: Map<string, number>;
  readonly refunds: Map<string, number>;
  /** Mails by their keys: to whom. */
  readonly mails: Map<string, string>;
  readonly shares: number[];
}

/** The outside in place of `fetch`, over a network that takes its time. */
function world(sim: SimulatedWorld): Effects {
  const effects: Effects = { charges: new Map(), refunds: new Map(), mails: new Map(), shares: [] };
  const answer = outside();
  vi.stubGlobal("fetch", async (request: string, init?: RequestInit) => {
    await sim.wait(10 + sim.random() * 300);
    const response = serve(effects, String(request), init) ?? (await answer(request, init));
    await sim.wait(10 + sim.random() * 300);
    return response;
  });
  return effects;
}

function serve({ charges, refunds, mails, shares }: Effects, url: string, init?: RequestInit): Response | null {
  const body = () => JSON.parse(String(init?.body)) as { cents: number; percent: number; to: string };
  const key = new Headers(init?.headers).get("idempotency-key") ?? "";
  if (url.startsWith(PAYMENTS_URL)) {
    const { cents } = body();
    (url.endsWith("/charges") ? charges : refunds).set(key, cents);
    return Response.json({ reference: key, cents });
  }
  if (url === `${MAIL_URL}/mails`) {
    mails.set(key, body().to);
    return Response.json({ id: key });
  }
  if (url.startsWith(MAIL_URL)) {
    const to = mails.get(decodeURIComponent(url.slice(`${MAIL_URL}/mails/`.length)));
    return Response.json({ state: to?.endsWith(".invalid") ? "bounced" : "delivered" });
  }
  if (!url.startsWith(ROUTER_URL)) return null;
  if (shares.at(-1) !== body().percent) shares.push(body().percent);
  return new Response(null, { status: 204 });
}

type Check = (run: SimulatedRun, effects: Effects) => void;

function setupOf(name: string, check: Check): (sim: SimulatedWorld) => SimulatedCase {
  const input = cases.find((each) => each.name === name)?.input;
  return (sim) => {
    const effects = world(sim);
    return { input, check: (run) => check(run, effects) };
  };
}

const expectedOf = (name: string) => cases.find((each) => each.name === name)?.expected as object;

it("github-triage comes to its outcome", async () => {
  const setup = setupOf("github-triage", ({ output }) => {
    expect(output).toMatchObject(expectedOf("github-triage"));
  });
  const report = await simulate(githubTriage as never, { seeds: SEEDS, setup: setup as never });
  expect(report.runs.completed).toBe(SEEDS);
});

for (const name of ["order-fulfilment", "order-refunded"]) {
  it(`${name}: nobody pays twice, and who is not served is not charged`, async () => {
    const { pickup: _, ...expected } = expectedOf(name) as { pickup?: string };
    const setup = setupOf(name, ({ output }, { charges, refunds }) => {
      expect(output).toMatchObject(expected);
      expect(charges.size).toBe(1);
      expect([...refunds.values()]).toEqual(name === "order-refunded" ? [...charges.values()] : []);
    });
    await simulate(orderFulfilment as never, { seeds: SEEDS, setup: setup as never });
  });
}

it("nightly-report comes to its page, or says what is missing", async () => {
  const setup = setupOf("nightly-report", ({ status, output, error }) => {
    // Nobody waits longer than 30 s for a source, and a process can stand still for longer.
    if (status === "failed") expect((error as Error).message).toContain("no source could be read");
    else
      expect(output).toMatchObject({ missing: { asia: expect.any(String) }, audit: expect.stringMatching(/^check/) });
  });
  const report = await simulate(nightlyReport as never, { seeds: SEEDS, setup: setup as never });
  expect(report.runs.completed).toBeGreaterThan(SEEDS / 2);
});

for (const name of ["newsletter", "newsletter-stopped"]) {
  it(`${name}: nobody gets a mail twice, and no more than begun`, async () => {
    const setup = setupOf(name, ({ output }, { mails }) => {
      expect(output).toMatchObject(expectedOf(name));
      expect(new Set(mails.values()).size).toBe(mails.size);
      expect(mails.size).toBe(name === "newsletter" ? 5 : 4);
    });
    const report = await simulate(newsletter as never, { seeds: SEEDS, setup: setup as never });
    expect(report.runs.completed).toBe(SEEDS);
  });
}

for (const name of ["staged-rollout", "staged-rollout-rolled-back"]) {
  it(`${name}: the router is told each share in order`, async () => {
    const setup = setupOf(name, ({ output }, { shares }) => {
      expect(output).toMatchObject(expectedOf(name));
      expect(shares).toEqual(name === "staged-rollout" ? [1, 10, 50, 100] : [5, 0]);
    });
    await simulate(stagedRollout as never, { seeds: SEEDS, setup: setup as never });
  });
}
