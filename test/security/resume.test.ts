/** Resume URLs over a real file: the address is the right, and nothing else is. */
import fc from "fast-check";
import { workflow } from "varve";
import { createApp } from "varve/http";
import { describe, expect, it } from "vitest";
import { problemOf } from "../http/site.ts";
import { openSecured, type Secured } from "./secured.ts";

const SEED = 20_261_121;
const BASE = "https://example.org";
const SECRET = "the secret of the tests, long enough";

const asking = workflow({ name: "asking" }, async (ctx) => {
  const url = ctx.resumeUrl("approval");
  await ctx.step("mail", () => url);
  await ctx.waitFor("approval");
  await ctx.waitFor("never");
});

interface Asked {
  readonly id: string;
  /** The path of its address. */
  readonly path: string;
}

async function asked(site: Secured): Promise<Asked> {
  const run = await site.engine.start(asking, undefined);
  const waits = async () => (await run.history()).some(({ type }) => type === "wait.started");
  await expect.poll(waits).toBe(true);
  const mail = (await run.history()).find((event) => event.type === "step.completed");
  const url = mail?.type === "step.completed" ? String(mail.data.value) : "";
  return { id: run.id, path: url.slice(BASE.length) };
}

const open = () => openSecured({ workflows: [asking], resume: { baseUrl: BASE, secret: SECRET } });

const received = async (site: Secured, id: string) =>
  (await site.engine.history(id)).filter(({ type }) => type === "signal.received").length;

describe("a resume URL", () => {
  it("that is opened changes nothing in the file, by whatever opens it", async () => {
    const site = await open();
    const { path } = await asked(site);
    const before = await site.file.content();
    for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND"]) {
      for (const headers of [{}, { "user-agent": "Mail scanner", purpose: "prefetch", "sec-purpose": "prefetch" }])
        await site.app.request(path, { method, headers });
    }
    expect(await site.file.content()).toBe(before);
  });

  it("sends its signal once, from twenty hands at once", async () => {
    const site = await open();
    const { id, path } = await asked(site);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => site.app.request(path, { method: "POST", body: null })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    await expect.poll(() => received(site, id)).toBe(1);
    for (const worker of [1, 2])
      expect([worker, (await site.app.request(path, { method: "POST" })).status]).toEqual([worker, 200]);
    await site.engine.run(id).signal("never", null);
    await site.engine.run(id).result();
    expect(await received(site, id)).toBe(2);
  });

  it("that was changed in any way sends nothing, and is refused in one way", async () => {
    const site = await open();
    const [one, two] = [await asked(site), await asked(site)];
    const [body = "", mac = ""] = one.path.slice("/resume/".length).split(".");
    const [otherBody = "", otherMac = ""] = two.path.slice("/resume/".length).split(".");
    const char = fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~!=+");
    const text = fc.string({ unit: char, maxLength: 60 });
    const whole = `${body}.${mac}`;
    const forged = fc
      .oneof(
        fc.constantFrom(
          `${body}.${otherMac}`,
          `${otherBody}.${mac}`,
          `${body}.${"A".repeat(43)}`,
          `${body}.`,
          body,
          mac,
        ),
        // Another run, signal or call, under a good signature.
        fc
          .tuple(text, text, text)
          .map((ticket) => `${Buffer.from(JSON.stringify(ticket)).toString("base64url")}.${mac}`),
        fc.nat(whole.length).map((length) => whole.slice(0, length)),
        fc.tuple(fc.nat(whole.length - 1), char).map(([at, other]) => whole.slice(0, at) + other + whole.slice(at + 1)),
        fc.tuple(fc.nat(whole.length), text).map(([at, more]) => whole.slice(0, at) + more + whole.slice(at)),
        fc.tuple(text, text).map(([a, b]) => `${a}.${b}`),
      )
      // What an address says that has none, or has steps in it, is another address.
      .filter((token) => token !== whole && !/^\.{0,2}$/.test(token));
    const before = await site.file.content();
    const refusals = new Set<string>();
    await fc.assert(
      fc.asyncProperty(forged, fc.constantFrom("GET", "POST"), async (token, method) => {
        const { instance: _, ...problem } = await problemOf(await site.app.request(`/resume/${token}`, { method }));
        refusals.add(JSON.stringify(problem));
      }),
      { seed: SEED, numRuns: 500 },
    );
    expect([...refusals].map((each) => JSON.parse(each).code)).toEqual(["RESUME_UNKNOWN"]);
    expect(await site.file.content()).toBe(before);
  });

  it("is a right of its own: a key neither helps it nor is replaced by it", async () => {
    const site = await open();
    const { id, path } = await asked(site);
    const token = await site.token("runs:read", "runs:write");
    const bearer = { authorization: `Bearer ${token}` };
    expect((await site.app.request(`${path}A`, { method: "POST", headers: bearer })).status).toBe(404);
    const asKey = { authorization: `Bearer ${path.slice("/resume/".length)}`, "content-type": "application/json" };
    for (const place of [`/api/v1/runs/${id}/signals/approval`, `/api/v1/runs/${id}/cancel`]) {
      expect((await site.app.request(place, { method: "POST", headers: asKey, body: "{}" })).status).toBe(401);
    }
    expect(await received(site, id)).toBe(0);
  });

  it("of an engine with another secret, or none, is not served", async () => {
    const site = await open();
    const { path } = await asked(site);
    for (const resume of [{ baseUrl: BASE, secret: `${SECRET}.` }, undefined]) {
      const other = await openSecured({ workflows: [asking], ...(resume === undefined ? {} : { resume }) });
      const answer = await createApp(other.engine).request(path, { method: "POST" });
      expect(await problemOf(answer)).toMatchObject({ status: 404, code: "RESUME_UNKNOWN" });
    }
  });
});
