/** Senders of every scheme: how each signs, by its own library where there is one, and what that library takes. */
import { createHmac, generateKeyPairSync, sign as signBy } from "node:crypto";
import "@shopify/shopify-api/adapters/node";
import { verify as octokitTakes, sign as signForGithub } from "@octokit/webhooks-methods";
import { ApiVersion, LogSeverity, shopifyApi } from "@shopify/shopify-api";
import { verifySlackRequest } from "@slack/bolt";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as SvixWebhook } from "svix";
import { github } from "../../src/triggers/github.ts";
import { gitlab } from "../../src/triggers/gitlab.ts";
import { hmac } from "../../src/triggers/hmac.ts";
import type { WebhookScheme } from "../../src/triggers/scheme.ts";
import { shopify } from "../../src/triggers/shopify.ts";
import { basic, bearer } from "../../src/triggers/shown-secret.ts";
import { slack } from "../../src/triggers/slack.ts";
import { standardWebhooks } from "../../src/triggers/standard-webhooks.ts";
import { stripe } from "../../src/triggers/stripe.ts";

export type Headers = Readonly<Record<string, string>>;

/** A request as its sender made it. */
export interface Sent {
  readonly headers: Headers;
  readonly body: string;
}

export interface Sender {
  readonly name: string;
  readonly scheme: WebhookScheme;
  /** The headers that prove something: changed, they must prove nothing. */
  readonly proofs: readonly string[];
  /** Whether the proof covers the body. A secret that is shown covers nothing. */
  readonly coversBody: boolean;
  /** How much of a proof is only its name, which may be written in another way. */
  readonly named?: number;
  /** The time window, seconds; null: none. */
  readonly windowS: number | null;
  /** Signs, by the sender's own library where it can. */
  readonly send: (id: string, text: string, at: number) => Promise<Sent>;
  /** Where the id is that the sender gives: what a repeat has in common. */
  readonly idOf: (id: string, sent: Sent) => string;
  /** Whether the sender's own library takes it at that instant; null: it has none. */
  readonly isTaken: ((sent: Sent, at: number) => Promise<boolean>) | null;
}

const SECRET = "a secret for tests";
const STANDARD = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

const mac = (text: string, algorithm = "sha256") => createHmac(algorithm, SECRET).update(text);
const seconds = (at: number) => Math.floor(at / 1_000);
const asIs = (id: string) => id;
const tries = async (act: () => unknown): Promise<boolean> => {
  try {
    await act();
    return true;
  } catch {
    return false;
  }
};

const standardHeaders = (prefix: string, id: string, text: string, at: number) => ({
  [`${prefix}-id`]: id,
  [`${prefix}-timestamp`]: `${seconds(at)}`,
  [`${prefix}-signature`]: new Webhook(STANDARD).sign(id, new Date(at), text),
});

const standardTaken = ({ headers, body }: Sent) =>
  tries(() => new Webhook(STANDARD).verify(body, { ...headers }, { jsonParse: false }));

const shop = shopifyApi({
  apiKey: "key",
  apiSecretKey: SECRET,
  hostName: "shop.example",
  apiVersion: ApiVersion.July26,
  isEmbeddedApp: false,
  logger: { level: LogSeverity.Error },
});

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const PUBLIC = `whpk_${publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("base64")}`;

const stripeApi = new Stripe("sk_test_nothing");

export const SENDERS: readonly Sender[] = [
  {
    name: "github, by Octokit",
    scheme: github({ secrets: [SECRET] }),
    proofs: ["x-hub-signature-256"],
    coversBody: true,
    windowS: null,
    send: async (id, text) => {
      // The library signs no empty body.
      const body = text === "" ? " " : text;
      return { body, headers: { "x-github-delivery": id, "x-hub-signature-256": await signForGithub(SECRET, body) } };
    },
    idOf: asIs,
    isTaken: async ({ headers, body }) => {
      const signature = headers["x-hub-signature-256"] ?? "";
      return body !== "" && signature !== "" && (await octokitTakes(SECRET, body, signature));
    },
  },
  {
    name: "standard webhooks",
    scheme: standardWebhooks({ secrets: [STANDARD] }),
    proofs: ["webhook-id", "webhook-timestamp", "webhook-signature"],
    coversBody: true,
    windowS: 300,
    send: async (id, body, at) => ({ body, headers: standardHeaders("webhook", id, body, at) }),
    idOf: asIs,
    isTaken: standardTaken,
  },
  {
    name: "svix",
    scheme: standardWebhooks({ secrets: [STANDARD] }),
    proofs: ["svix-id", "svix-timestamp", "svix-signature"],
    coversBody: true,
    windowS: 300,
    send: async (id, text, at) => {
      // The library takes JSON alone.
      const body = JSON.stringify(text);
      const signature = new SvixWebhook(STANDARD).sign(id, new Date(at), body);
      return { body, headers: { "svix-id": id, "svix-timestamp": `${seconds(at)}`, "svix-signature": signature } };
    },
    idOf: asIs,
    isTaken: ({ headers, body }) => tries(() => new SvixWebhook(STANDARD).verify(body, { ...headers })),
  },
  {
    name: "standard webhooks by ed25519",
    scheme: standardWebhooks({ secrets: [PUBLIC] }),
    proofs: ["webhook-id", "webhook-timestamp", "webhook-signature"],
    coversBody: true,
    windowS: 300,
    send: async (id, body, at) => {
      const signed = signBy(null, Buffer.from(`${id}.${seconds(at)}.${body}`), privateKey).toString("base64");
      return { body, headers: { ...standardHeaders("webhook", id, body, at), "webhook-signature": `v1a,${signed}` } };
    },
    idOf: asIs,
    isTaken: null,
  },
  {
    name: "stripe",
    scheme: stripe({ secrets: [SECRET] }),
    proofs: ["stripe-signature"],
    coversBody: true,
    windowS: 300,
    send: async (id, text, at) => {
      const body = JSON.stringify({ id: `evt_${id}`, data: text });
      const timestamp = seconds(at);
      const header = stripeApi.webhooks.generateTestHeaderString({ payload: body, secret: SECRET, timestamp });
      return { body, headers: { "stripe-signature": header } };
    },
    idOf: (id) => `evt_${id}`,
    isTaken: ({ headers, body }, at) =>
      tries(() =>
        stripeApi.webhooks.constructEvent(body, headers["stripe-signature"] ?? "", SECRET, 300, undefined, at),
      ),
  },
  {
    name: "slack",
    scheme: slack({ secrets: [SECRET] }),
    proofs: ["x-slack-signature", "x-slack-request-timestamp"],
    coversBody: true,
    windowS: 300,
    send: async (id, text, at) => {
      const body = JSON.stringify({ type: "event_callback", event_id: `Ev${id}`, text });
      const signature = `v0=${mac(`v0:${seconds(at)}:${body}`).digest("hex")}`;
      return { body, headers: { "x-slack-signature": signature, "x-slack-request-timestamp": `${seconds(at)}` } };
    },
    idOf: (id) => `Ev${id}`,
    isTaken: ({ headers, body }, at) =>
      tries(() =>
        verifySlackRequest({
          signingSecret: SECRET,
          body,
          headers: {
            "x-slack-signature": headers["x-slack-signature"] ?? "",
            "x-slack-request-timestamp": Number(headers["x-slack-request-timestamp"]),
          },
          nowMilliseconds: at,
        }),
      ),
  },
  {
    name: "gitlab, by a signing token",
    scheme: gitlab({ secrets: [STANDARD, SECRET] }),
    proofs: ["webhook-id", "webhook-timestamp", "webhook-signature"],
    coversBody: true,
    windowS: 300,
    send: async (id, body, at) => ({ body, headers: standardHeaders("webhook", id, body, at) }),
    idOf: asIs,
    isTaken: standardTaken,
  },
  {
    name: "gitlab, by a secret token",
    scheme: gitlab({ secrets: [SECRET, STANDARD] }),
    proofs: ["x-gitlab-token"],
    coversBody: false,
    windowS: null,
    send: async (id, body) => ({ body, headers: { "x-gitlab-token": SECRET, "x-gitlab-event-uuid": id } }),
    idOf: asIs,
    isTaken: null,
  },
  {
    name: "shopify",
    scheme: shopify({ secrets: [SECRET] }),
    proofs: ["x-shopify-hmac-sha256"],
    coversBody: true,
    windowS: null,
    send: async (id, text) => {
      // The library takes no empty body.
      const body = text === "" ? " " : text;
      return { body, headers: { "x-shopify-webhook-id": id, "x-shopify-hmac-sha256": mac(body).digest("base64") } };
    },
    idOf: asIs,
    isTaken: async ({ headers, body }) => {
      const all = {
        "x-shopify-topic": "t",
        "x-shopify-shop-domain": "d",
        "x-shopify-api-version": "2026-07",
        ...headers,
      };
      const request = { headers: all, method: "POST", url: "/" } as never;
      return (await shop.webhooks.validate({ rawBody: body, rawRequest: request })).valid;
    },
  },
  {
    name: "hmac in base64url of SHA-512 with a time in milliseconds",
    scheme: hmac({
      secrets: [SECRET],
      header: "X-Sig",
      prefix: "sig=",
      encoding: "base64url",
      algorithm: "sha512",
      id: { header: "X-Id" },
      timestamp: { header: "X-Time", unit: "ms", tolerance: "1m" },
      signed: "{timestamp}|{id}|{body}",
    }),
    proofs: ["x-sig", "x-id", "x-time"],
    coversBody: true,
    windowS: 60,
    send: async (id, body, at) => ({
      body,
      headers: {
        "x-id": id,
        "x-time": `${at}`,
        "x-sig": `sig=${mac(`${at}|${id}|${body}`, "sha512").digest("base64url")}`,
      },
    }),
    idOf: asIs,
    isTaken: null,
  },
  {
    name: "hmac in hex of SHA-1, its id in the body",
    scheme: hmac({ secrets: [SECRET], header: "X-Sig", algorithm: "sha1", id: { pointer: "/event/id" } }),
    proofs: ["x-sig"],
    coversBody: true,
    windowS: null,
    send: async (id, text) => {
      const body = JSON.stringify({ event: { id }, text });
      return { body, headers: { "x-sig": mac(body, "sha1").digest("hex") } };
    },
    idOf: asIs,
    isTaken: null,
  },
  {
    name: "bearer",
    scheme: bearer({ secrets: [SECRET], id: { header: "X-Id" } }),
    proofs: ["authorization"],
    coversBody: false,
    named: "Bearer ".length,
    windowS: null,
    send: async (id, body) => ({ body, headers: { authorization: `Bearer ${SECRET}`, "x-id": id } }),
    idOf: asIs,
    isTaken: null,
  },
  {
    name: "basic",
    scheme: basic({ user: "ada", secrets: [SECRET], id: { header: "X-Id" } }),
    proofs: ["authorization"],
    coversBody: false,
    named: "Basic ".length,
    windowS: null,
    send: async (id, body) => ({
      body,
      headers: { authorization: `Basic ${Buffer.from(`ada:${SECRET}`).toString("base64")}`, "x-id": id },
    }),
    idOf: asIs,
    isTaken: null,
  },
];
