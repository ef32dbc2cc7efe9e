/**
 * Webhooks whose headers, bodies and ids were changed on the way. What is good is always taken, what was changed never,
 * and nothing is taken that the senders' own libraries refuse.
 */
import assert from "node:assert/strict";
import { verify as octokitTakes, sign } from "@octokit/webhooks-methods";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { github } from "../../src/triggers/github.ts";
import type { WebhookRequest, WebhookScheme } from "../../src/triggers/scheme.ts";
import { standardWebhooks } from "../../src/triggers/standard-webhooks.ts";
import { oddText } from "../support/storable.ts";
import type { Effort, Property } from "./lane.ts";

type Headers = readonly (readonly [name: string, value: string])[];

/** A request as its sender made it. */
interface Signed {
  readonly headers: Headers;
  readonly body: string;
}

/** One kind of sender, by its own library. */
interface Sender {
  readonly scheme: WebhookScheme;
  /** The header that holds the id of a delivery. */
  readonly id: string;
  readonly signature: string;
  readonly send: (id: string, body: string, at: number) => Promise<Signed>;
  readonly isTaken: (headers: Headers, body: Uint8Array) => Promise<boolean>;
}

const SECRET = "a secret for tests";
const STANDARD_SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

/** What a platform makes of a header that comes twice. */
const joined = (headers: Headers) => Object.fromEntries(new Headers(headers.map(([name, value]) => [name, value])));

const octokit: Sender = {
  scheme: github({ secrets: [SECRET] }),
  id: "x-github-delivery",
  signature: "x-hub-signature-256",
  send: async (id, body) => {
    // The library signs no empty body.
    const signature = body === "" ? await sign(SECRET, " ") : await sign(SECRET, body);
    return {
      body: body === "" ? " " : body,
      headers: [
        ["x-github-delivery", id],
        ["x-hub-signature-256", signature],
      ],
    };
  },
  isTaken: async (headers, body) => {
    const signature = joined(headers)["x-hub-signature-256"] ?? "";
    const text = new TextDecoder().decode(body);
    return text !== "" && signature !== "" && (await octokitTakes(SECRET, text, signature));
  },
};

const standard: Sender = {
  scheme: standardWebhooks({ secrets: [STANDARD_SECRET] }),
  id: "webhook-id",
  signature: "webhook-signature",
  send: async (id, body, at) => ({
    body,
    headers: [
      ["webhook-id", id],
      ["webhook-timestamp", `${Math.floor(at / 1_000)}`],
      ["webhook-signature", new Webhook(STANDARD_SECRET).sign(id, new Date(at), body)],
    ],
  }),
  isTaken: async (headers, body) => {
    try {
      new Webhook(STANDARD_SECRET).verify(new TextDecoder().decode(body), joined(headers), { jsonParse: false });
      return true;
    } catch {
      return false;
    }
  },
};

const SENDERS = [octokit, standard] as const;
const sender = fc.constantFrom(0, 1);

const goodId = fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/);
/** What UTF-8 keeps: the libraries sign texts. */
const body = fc.oneof(fc.json(), fc.string({ unit: "binary" }), fc.string()).map((text) => text.toWellFormed());

const bytesOf = (text: string) => new TextEncoder().encode(text);

async function takes({ scheme }: Sender, headers: Headers, body: Uint8Array, receivedAt: number): Promise<boolean> {
  const request: WebhookRequest = { headers, body, receivedAt };
  return (await scheme.verify(request)).ok;
}

async function goodOnesAreTaken(effort: Effort): Promise<void> {
  await fc.assert(
    fc.asyncProperty(sender, goodId, body, fc.integer({ min: -290, max: 290 }), async (which, id, body, offS) => {
      const from = SENDERS[which] as Sender;
      const now = Date.now();
      const signed = await from.send(id, body, now + offS * 1_000);
      assert.equal(await takes(from, signed.headers, bytesOf(signed.body), now), true);
      assert.equal(await from.isTaken(signed.headers, bytesOf(signed.body)), true);
      const shouted = signed.headers.map(([name, value]) => [name.toUpperCase(), value] as const);
      assert.equal(await takes(from, shouted, bytesOf(signed.body), now), true);
    }),
    effort,
  );
}

/** What is done to a good request. Null: it would change nothing. */
type Change = (signed: Signed, from: Sender) => { headers: Headers; body: Uint8Array } | null;

const withHeader = (headers: Headers, name: string, value: string): Headers =>
  headers.map(([found, old]) => [found, found === name ? value : old] as const);

const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const at = Math.floor(bit / 8) % bytes.length;
  return Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ (1 << (bit % 8)) : byte));
};

const change: fc.Arbitrary<Change> = fc.oneof(
  // One bit of the body.
  fc.nat().map(
    (bit): Change =>
      ({ headers, body }) => {
        return body === "" ? null : { headers, body: flipped(bytesOf(body), bit) };
      },
  ),
  // A body that is cut, goes on, or is sent twice.
  fc.tuple(fc.nat(), fc.constantFrom("cut", "more", "twice")).map(
    ([at, how]): Change =>
      ({ headers, body }) => {
        const bytes = bytesOf(body);
        if (how === "more") return { headers, body: bytesOf(`${body}\n`) };
        if (bytes.length === 0) return null;
        return { headers, body: how === "cut" ? bytes.slice(0, at % bytes.length) : bytesOf(`${body}${body}`) };
      },
  ),
  // One bit of a header.
  fc.tuple(fc.nat(), fc.nat()).map(
    ([which, bit]): Change =>
      ({ headers, body }, from) => {
        const [name, value] = headers[which % headers.length] as (typeof headers)[number];
        const changed = String.fromCharCode(...flipped(bytesOf(value), bit));
        // GitHub signs no id: another one is another delivery of a body that it did sign.
        if (name === "x-github-delivery") return null;
        return name === from.id && changed === value
          ? null
          : { headers: withHeader(headers, name, changed), body: bytesOf(body) };
      },
  ),
  // A header twice, as two or as one, or missing.
  fc.tuple(fc.nat(), fc.constantFrom("twice", "joined", "missing", "empty")).map(
    ([which, how]): Change =>
      (signed) => {
        const { headers } = signed;
        const [name, value] = headers[which % headers.length] as (typeof headers)[number];
        // The signatures are a list, in which one that is good is enough.
        if (name === "webhook-signature" && how === "joined") return null;
        const others = headers.filter(([other]) => other !== name);
        const changed: Record<typeof how, Headers> = {
          twice: [...headers, [name, value]],
          joined: [...others, [name, `${value}, ${value}`]],
          missing: others,
          empty: [...others, [name, ""]],
        };
        return { headers: changed[how], body: bytesOf(signed.body) };
      },
  ),
  // Another text in place of the signature.
  fc.oneof(oddText, fc.stringMatching(/^sha256=[0-9a-f]{64}$/), fc.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/)).map(
    (text): Change =>
      ({ headers, body }, from) => ({ headers: withHeader(headers, from.signature, text), body: bytesOf(body) }),
  ),
  // The signature cut, or spelled in another way.
  fc.nat().map(
    (at): Change =>
      ({ headers, body }, from) => {
        const value = headers.find(([name]) => name === from.signature)?.[1] as string;
        const spelled = at % 2 === 0 ? value.slice(0, at % value.length) : value.toUpperCase();
        return { headers: withHeader(headers, from.signature, spelled), body: bytesOf(body) };
      },
  ),
);

async function changedOnesAreRefused(effort: Effort): Promise<void> {
  await fc.assert(
    fc.asyncProperty(sender, goodId, body, change, async (which, id, body, change) => {
      const from = SENDERS[which] as Sender;
      const now = Date.now();
      const signed = await from.send(id, body, now);
      const changed = change(signed, from);
      fc.pre(changed !== null);
      assert.equal(await takes(from, changed.headers, changed.body, now), false);
    }),
    effort,
  );
}

async function strangeOnesAreTakenOnlyWithThePeer(effort: Effort): Promise<void> {
  const anyHeader = fc.tuple(
    fc.constantFrom("webhook-id", "webhook-timestamp", "webhook-signature", "x-github-delivery", "x-hub-signature-256"),
    fc.oneof(
      fc.string().map((text) => text.replace(/[^\x20-\x7e]/g, "")),
      fc.nat().map(String),
    ),
  );
  const changes = fc.array(anyHeader, { maxLength: 2 });
  const at = fc.oneof(fc.constant(0), fc.integer({ min: -1_000, max: 1_000 }));
  await fc.assert(
    fc.asyncProperty(sender, fc.oneof(goodId, oddText), body, at, changes, async (which, id, body, offS, changes) => {
      const from = SENDERS[which] as Sender;
      const now = Date.now();
      const asText = id.replace(/[^\t\x20-\xff]/g, "");
      const signed = await from.send(asText, body, now + offS * 1_000);
      const headers = [...signed.headers.filter(([name]) => !changes.some(([other]) => other === name)), ...changes];
      const isTaken = await takes(from, headers, bytesOf(signed.body), now);
      if (isTaken) assert.equal(await from.isTaken(headers, bytesOf(signed.body)), true);
    }),
    effort,
  );
}

/** An id that another system cannot hold, and an instant outside the window: refused although the signature is good. */
async function idsAndTimesAreBounded(effort: Effort): Promise<void> {
  const odd = oddText.filter((id) => !/^[A-Za-z0-9_-]{1,128}$/.test(id));
  const off = fc.integer({ min: 302, max: 10_000_000 });
  await fc.assert(
    fc.asyncProperty(sender, odd, off, fc.boolean(), async (which, id, offS, isFuture) => {
      const from = SENDERS[which] as Sender;
      const now = Date.now();
      const oddly = await from.send(id.toWellFormed(), "{}", now);
      assert.equal(await takes(from, oddly.headers, bytesOf(oddly.body), now), false);
      const late = await standard.send("msg_1", "{}", now + (isFuture ? offS : -offS) * 1_000);
      assert.equal(await takes(standard, late.headers, bytesOf(late.body), now), false);
    }),
    effort,
  );
}

export const webhooks: readonly Property[] = [
  { title: "every good one is taken, by us as by its sender's library", runs: 300, holds: goodOnesAreTaken },
  { title: "none that was changed is taken", runs: 1_000, holds: changedOnesAreRefused },
  { title: "none is taken that its sender's library refuses", runs: 500, holds: strangeOnesAreTakenOnlyWithThePeer },
  {
    title: "an odd id or another time is refused although the signature is good",
    runs: 300,
    holds: idsAndTimesAreBounded,
  },
];
