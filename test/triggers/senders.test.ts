/** Every scheme against whoever sends by it: what is good is taken, by us as by its sender's own library, and nothing else. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../../src/testing/prng.ts";
import { reasonOf, request } from "./request.ts";
import { SENDERS, type Sender, type Sent } from "./senders.ts";

const goodId = fc.stringMatching(/^[A-Za-z0-9_-]{1,60}$/);
/** What UTF-8 keeps: the libraries sign texts. */
const text = fc.oneof(fc.json(), fc.string({ unit: "binary" }), fc.string()).map((each) => each.toWellFormed());

const verify = async ({ scheme }: Sender, { headers, body }: Sent, at: number) =>
  await scheme.verify(request(headers, body, at));

describe.each(SENDERS)("$name", (sender) => {
  const { scheme, send, isTaken, idOf, windowS, proofs } = sender;

  test("takes whatever its sender signs, under the sender's id", async () => {
    await fc.assert(
      fc.asyncProperty(goodId, text, async (id, text) => {
        const now = Date.now();
        const sent = await send(id, text, now);
        expect(await verify(sender, sent, now)).toEqual({ ok: true, deliveryId: idOf(id, sent) });
        if (isTaken !== null) expect(await isTaken(sent, now)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test.runIf(isTaken !== null)("signs as its sender does: the sender's own library takes it", async () => {
    await fc.assert(
      fc.asyncProperty(goodId, text, async (id, text) => {
        const now = Date.now();
        const { body, headers } = await send(id, text, now);
        const signed = await scheme.sign?.({ body: new TextEncoder().encode(body), id, at: now });
        // Svix has names of its own for what both sign alike.
        const named = name.call(sender, signed ?? {}, headers);
        expect(await isTaken?.({ headers: named, body }, now)).toBe(true);
        expect(await verify(sender, { headers: named, body }, now)).toMatchObject({ ok: true });
      }),
      { numRuns: 40 },
    );
  });

  test("refuses each of its headers when it is missing or comes twice", async () => {
    const now = Date.now();
    const { headers, body } = await send("d-1", "{}", now);
    for (const [name, value] of Object.entries(headers)) {
      const others = Object.entries(headers).filter(([other]) => other !== name);
      expect(reasonOf(await scheme.verify(request(others, body, now))), name).toMatch(/^header-missing$/);
      const twice = [...Object.entries(headers), [name.toUpperCase(), value] as const];
      expect(reasonOf(await scheme.verify(request(twice, body, now))), name).toBe("header-repeated");
      expect((await verify(sender, { headers: { ...headers, [name]: "" }, body }, now)).ok, name).toBe(false);
    }
  });

  test.runIf(windowS !== null)(
    "takes a time to the last second of its window and refuses it beyond, both ways",
    async () => {
      const now = Math.floor(Date.now() / 1_000) * 1_000;
      for (const off of [0, 1, -1, windowS ?? 0, -(windowS ?? 0)]) {
        const sent = await send("d-1", "{}", now + off * 1_000);
        expect(await verify(sender, sent, now), `${off}`).toMatchObject({ ok: true });
      }
      for (const off of [(windowS ?? 0) + 1, -(windowS ?? 0) - 1, 86_400, -86_400, 1 - now / 1_000]) {
        const sent = await send("d-1", "{}", now + off * 1_000);
        expect(reasonOf(await verify(sender, sent, now)), `${off}`).toBe("outside-time-window");
      }
    },
  );

  test("proves by nothing else: every proof of another request is refused", async () => {
    const now = Date.now();
    const [mine, other] = [await send("d-1", "{}", now), await send("d-2", "[1]", now)];
    for (const proof of proofs) {
      if (mine.headers[proof] === other.headers[proof]) continue;
      const mixed = { body: mine.body, headers: { ...mine.headers, [proof]: other.headers[proof] ?? "" } };
      expect((await verify(sender, mixed, now)).ok, proof).toBe(false);
    }
  });
});

/** Svix sends what Standard Webhooks do, under names of its own. */
function name(this: Sender, signed: Readonly<Record<string, string>>, sent: Sent["headers"]) {
  if (!("svix-id" in sent)) return signed;
  return Object.fromEntries(Object.entries(signed).map(([key, value]) => [key.replace("webhook-", "svix-"), value]));
}

/** How many requests that prove nothing are tried. */
const FUZZED = 20_000;

/** What is done to one proof of a good request. */
const CHANGES: readonly ((value: string, prng: Prng, from: number) => string)[] = [
  // One bit of it.
  (value, prng, from) => {
    const at = prng.int(from, value.length - 1);
    return `${value.slice(0, at)}${String.fromCharCode(value.charCodeAt(at) ^ (1 << prng.int(0, 7)))}${value.slice(at + 1)}`;
  },
  // One character less, anywhere; one more; two that change places.
  (value, prng, from) => {
    const at = prng.int(from, value.length - 1);
    return `${value.slice(0, at)}${value.slice(at + 1)}`;
  },
  (value, prng, from) => {
    const at = prng.int(from, value.length);
    return `${value.slice(0, at)}${String.fromCharCode(prng.int(33, 126))}${value.slice(at)}`;
  },
  (value, prng, from) => {
    const at = prng.int(from, value.length - 2);
    return `${value.slice(0, at)}${value[at + 1]}${value[at]}${value.slice(at + 2)}`;
  },
  // Cut, doubled, in other letters, and what is no signature at all.
  (value, prng) => value.slice(0, prng.int(0, value.length - 1)),
  (value) => `${value}${value}`,
  (value) => `${value}, ${value}`,
  (value) => value.toUpperCase(),
  (value, prng, from) => value.slice(0, from) + noise(prng, value.length - from, "0123456789abcdef"),
  (_, prng) => noise(prng, prng.int(0, 200), "abcXYZ019 =+/,._-:\u00e4\0\n"),
];

function noise(prng: Prng, length: number, letters: string): string {
  return Array.from({ length }, () => letters[prng.int(0, letters.length - 1)]).join("");
}

test(`of ${FUZZED} requests with a changed proof or body none is taken, and none makes a scheme throw`, {
  timeout: 120_000,
}, async () => {
  const prng = new Prng("signatures");
  const now = 1_763_720_000_000;
  const goods = await Promise.all(
    SENDERS.map(async (sender) => ({ sender, sent: await sender.send("d-1", '{"a":1}', now) })),
  );
  const tried: Record<string, number> = {};
  let refused = 0;
  for (let i = 0; i < FUZZED; i++) {
    const { sender, sent } = goods[i % goods.length]!;
    const changed = changedOf(sender, sent, prng);
    const verification = await verify(sender, changed, now);
    expect(verification.ok, JSON.stringify({ sender: sender.name, ...changed })).toBe(false);
    refused++;
    tried[sender.name] = (tried[sender.name] ?? 0) + 1;
  }
  expect(refused).toBe(FUZZED);
  process.stdout.write(`${refused} fuzzed signatures refused: ${JSON.stringify(tried)}\n`);
});

/** A request that is not what its sender made, and proves nothing. */
function changedOf({ proofs, coversBody, named = 0 }: Sender, sent: Sent, prng: Prng): Sent {
  for (;;) {
    if (coversBody && prng.chance(0.2)) {
      const at = prng.int(0, sent.body.length - 1);
      const other = String.fromCharCode(sent.body.charCodeAt(at) ^ (1 << prng.int(0, 6)));
      return { ...sent, body: `${sent.body.slice(0, at)}${other}${sent.body.slice(at + 1)}` };
    }
    const proof = proofs[prng.int(0, proofs.length - 1)] as string;
    const value = sent.headers[proof] as string;
    const change = CHANGES[prng.int(0, CHANGES.length - 1)]!;
    const changed = change(value, prng, named);
    // One good signature in a list of them is enough.
    const isList = proof.endsWith("-signature") && changed.includes(`${value}, `) && /^(webhook|svix)/.test(proof);
    if (isList) continue;
    if (changed !== value && !(named > 0 && changed.slice(named) === value.slice(named))) {
      return { ...sent, headers: { ...sent.headers, [proof]: changed } };
    }
  }
}
