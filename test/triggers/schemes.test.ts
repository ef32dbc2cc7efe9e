/** What schemes share and where they differ: definitions, secrets by reference, ids, handshakes. */
import { describe, expect, test } from "vitest";
import { github } from "../../src/triggers/github.ts";
import { gitlab } from "../../src/triggers/gitlab.ts";
import { type HmacOptions, hmac } from "../../src/triggers/hmac.ts";
import { none } from "../../src/triggers/none.ts";
import type { WebhookScheme } from "../../src/triggers/scheme.ts";
import { env } from "../../src/triggers/secrets.ts";
import { shopify } from "../../src/triggers/shopify.ts";
import { basic, bearer } from "../../src/triggers/shown-secret.ts";
import { slack } from "../../src/triggers/slack.ts";
import { standardWebhooks } from "../../src/triggers/standard-webhooks.ts";
import { stripe } from "../../src/triggers/stripe.ts";
import { bytes, NOW, reasonOf, request } from "./request.ts";

const SECRET = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
const OLD = `whsec_${Buffer.alloc(32, 8).toString("base64")}`;
const ID = { header: "X-Id" } as const;

type Secrets = Parameters<typeof github>[0]["secrets"];

const SCHEMES: readonly (readonly [string, (secrets: Secrets) => WebhookScheme])[] = [
  ["github", (secrets) => github({ secrets })],
  ["standard-webhooks", (secrets) => standardWebhooks({ secrets })],
  ["stripe", (secrets) => stripe({ secrets })],
  ["slack", (secrets) => slack({ secrets })],
  ["gitlab", (secrets) => gitlab({ secrets })],
  ["shopify", (secrets) => shopify({ secrets })],
  ["hmac", (secrets) => hmac({ secrets, header: "X-Sig", id: ID })],
  ["bearer", (secrets) => bearer({ secrets, id: ID })],
  ["basic", (secrets) => basic({ user: "ada", secrets, id: ID })],
];

const BODY = bytes('{"id":"evt_1","event_id":"Ev1"}');
const signed = async (scheme: WebhookScheme, resolve?: (name: string) => string | undefined) =>
  request((await scheme.sign?.({ body: BODY, id: "d-1", at: NOW }, resolve)) ?? {}, BODY);

describe.each(SCHEMES)("the secrets of %s", (name, make) => {
  test("are found by their names when they are used, and are good while they are there", async () => {
    const vault = new Map([["NEW", SECRET]]);
    const resolve = (each: string) => vault.get(each);
    const scheme = make(env("NEW"));
    expect(scheme.name).toBe(name);
    await scheme.check(resolve);
    const good = await signed(scheme, resolve);
    expect(await scheme.verify(good, resolve)).toMatchObject({ ok: true });
    vault.set("NEW", OLD);
    expect(reasonOf(await scheme.verify(good, resolve))).toBe("signature-wrong");
    vault.delete("NEW");
    expect(reasonOf(await scheme.verify(good, resolve))).toBe("signature-wrong");
    expect(reasonOf(await scheme.verify(good))).toBe("signature-wrong");
  });

  test("are several while they are rotated", async () => {
    const resolve = (each: string) => ({ NEW: SECRET, OLD })[each];
    const both = make(env("NEW", "OLD"));
    await both.check(resolve);
    for (const one of [env("NEW"), env("OLD")]) {
      expect(await both.verify(await signed(make(one), resolve), resolve)).toMatchObject({ ok: true });
    }
  });

  test("that are not there are named, and not shown", async () => {
    const resolve = (each: string) => ({ NEW: SECRET, EMPTY: "" })[each];
    const error = await make(env("NEW", "EMPTY", "GONE"))
      .check(resolve)
      .catch((each: unknown) => each);
    expect(error).toMatchObject({ code: "SECRET_INVALID", facts: { scheme: name, missing: ["EMPTY", "GONE"] } });
    expect(String(error)).not.toContain(SECRET);
    await expect(make(env("NEW")).check()).rejects.toMatchObject({ code: "SECRET_INVALID" });
  });

  test("whose vault does not answer prove nothing, and nothing throws", async () => {
    const scheme = make(env("NEW"));
    const good = await signed(scheme, () => SECRET);
    const broken = () => {
      throw new Error(`the vault says ${SECRET}`);
    };
    const verification = await scheme.verify(good, broken);
    expect(reasonOf(verification)).toBe("secrets-unavailable");
    expect(JSON.stringify(verification)).not.toContain(SECRET);
    const asked = make(() => Promise.reject(new Error("no answer")));
    expect(reasonOf(await asked.verify(good))).toBe("secrets-unavailable");
  });

  test("prove nothing when they are empty", async () => {
    const forged = await signed(make([SECRET]));
    for (const secrets of [[], [""], ["", ""]]) expect((await make(() => secrets).verify(forged)).ok).toBe(false);
  });
});

test.each([[], [""], ["a b"], ["x".repeat(257)], ["whsec_abc+/="]])("env(%j) names no secret", (...names) => {
  expect(() => env(...names)).toThrow(expect.objectContaining({ code: "SECRET_INVALID" }));
});

describe("hmac", () => {
  const base = { secrets: ["s"], header: "X-Sig", id: ID } satisfies HmacOptions;

  test.each([
    ["no header", { header: "" }],
    ["a header with a space", { header: "X Sig" }],
    ["no id", { id: undefined }],
    ["an id of nowhere", { id: {} }],
    ["a pointer without a slash", { id: { pointer: "id" } }],
    ["an unknown encoding", { encoding: "utf8" }],
    ["an unknown algorithm", { algorithm: "md5" }],
    ["a prefix that is no text", { prefix: "\n" }],
    ["an unknown unit", { timestamp: { header: "X-Time", unit: "h" } }],
    ["a timestamp that is not signed", { timestamp: { header: "X-Time" }, signed: "{body}" }],
    ["no body in what is signed", { signed: "v0" }],
    ["the body twice", { signed: "{body}{body}" }],
    ["a timestamp that there is none of", { signed: "{timestamp}.{body}" }],
    ["an unknown name", { signed: "{method}{body}" }],
    ["a brace that is left open", { signed: "{body}{" }],
    ["an id of the body, signed before it is known", { id: { pointer: "/id" }, signed: "{id}{body}" }],
  ])("is refused with %s", (_what, wrong) => {
    const make = () => hmac({ ...base, ...wrong } as HmacOptions);
    expect(make).toThrow(
      expect.objectContaining({
        code: "SCHEME_INVALID",
        facts: expect.objectContaining({ field: expect.any(String) }),
      }),
    );
  });

  test("says where what is signed is wrong", () => {
    expect(() => hmac({ ...base, signed: "v0:{when}:{body}" })).toThrow(/at character 4 .*\{body\}.*"\{when\}"/);
  });

  test("takes its id from the body once the body is verified", async () => {
    const scheme = hmac({ ...base, id: { pointer: "/a~1b/0/id~0" } });
    const body = bytes('{"a/b":[{"id~":7}]}');
    const headers = (await scheme.sign?.({ body, id: "", at: NOW })) ?? {};
    expect(await scheme.verify(request(headers, body))).toEqual({ ok: true, deliveryId: "7" });
    for (const other of [
      '{"a/b":[]}',
      '{"a/b":[{"id~":""}]}',
      '{"a/b":[{"id~":1.5}]}',
      "no json",
      '{"a/b":[{"id~":"a b"}]}',
    ]) {
      const good = (await scheme.sign?.({ body: bytes(other), id: "", at: NOW })) ?? {};
      expect(reasonOf(await scheme.verify(request(good, other))), other).toBe("id-missing");
      expect(reasonOf(await scheme.verify(request(headers, other))), other).toBe("signature-wrong");
    }
  });

  test("knows the same bytes as the same delivery, if nothing else names it", async () => {
    const scheme = hmac({ ...base, id: "body" });
    const idOf = async (text: string) => {
      const headers = (await scheme.sign?.({ body: bytes(text), id: "", at: NOW })) ?? {};
      return await scheme.verify(request(headers, text));
    };
    const one = await idOf("a");
    expect(one).toMatchObject({ ok: true, deliveryId: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(await idOf("a")).toEqual(one);
    expect(await idOf("b")).not.toEqual(one);
  });
});

describe("slack", () => {
  const scheme = slack({ secrets: ["s"] });
  const send = async (text: string) => {
    const headers = (await scheme.sign?.({ body: bytes(text), id: "", at: NOW })) ?? {};
    return await scheme.verify(request(headers, text));
  };

  test("is answered its challenge once its signature is good, and not before", async () => {
    const body = '{"type":"url_verification","challenge":"c-1"}';
    expect(await send(body)).toMatchObject({ ok: true, challenge: "c-1" });
    const headers = (await slack({ secrets: ["other"] }).sign?.({ body: bytes(body), id: "", at: NOW })) ?? {};
    expect(reasonOf(await scheme.verify(request(headers, body)))).toBe("signature-wrong");
    for (const other of ['{"type":"event_callback","challenge":"c"}', '{"type":"url_verification","challenge":1}']) {
      expect(await send(other), other).not.toHaveProperty("challenge");
    }
  });

  test("knows commands by their bytes, and refuses an event whose id is none", async () => {
    const command = await send("command=%2Fdeploy&trigger_id=1");
    expect(command).toMatchObject({ ok: true, deliveryId: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(await send("command=%2Fdeploy&trigger_id=1")).toEqual(command);
    expect(await send("command=%2Fdeploy&trigger_id=2")).not.toEqual(command);
    expect(reasonOf(await send('{"event_id":"a b"}'))).toBe("id-missing");
  });
});

describe("stripe", () => {
  const scheme = stripe({ secrets: ["s"] });
  const header = async () => (await scheme.sign?.({ body: BODY, id: "", at: NOW }))?.["stripe-signature"] as string;
  const verify = async (text: string) => await scheme.verify(request({ "stripe-signature": text }, BODY));

  test("takes one good v1 among others, and none of another version", async () => {
    const [time, v1] = (await header()).split(",") as [string, string];
    const wrong = `v1=${"0".repeat(64)}`;
    for (const good of [`${time},${wrong},${v1}`, `${time},${v1},${wrong}`, `${v1},${time}`, `${time},v0=x,${v1}`])
      expect(await verify(good), good).toMatchObject({ ok: true, deliveryId: "evt_1" });
    for (const none of [`${time},${wrong}`, `${time},v0=${v1.slice(3)}`, `${time},v1=${v1.slice(3, -2)}`])
      expect(reasonOf(await verify(none)), none).toBe("signature-wrong");
    for (const malformed of [v1, time, `${time},${time},${v1}`, `t=x,${v1}`, `${time}, ${v1}`, `${time},${v1},`])
      expect(reasonOf(await verify(malformed)), malformed).toBe("header-malformed");
  });
});

describe("gitlab", () => {
  test("never takes a signing token that is shown", async () => {
    const scheme = gitlab({ secrets: [SECRET] });
    const headers = { "x-gitlab-token": SECRET, "x-gitlab-event-uuid": "e-1" };
    expect(reasonOf(await scheme.verify(request(headers, BODY)))).toBe("signature-wrong");
  });

  test("knows a try again by its key, where there is one", async () => {
    const scheme = gitlab({ secrets: ["token"] });
    const shown = { "x-gitlab-token": "token", "x-gitlab-event-uuid": "e-1" };
    expect(await scheme.verify(request(shown, BODY))).toEqual({ ok: true, deliveryId: "e-1" });
    const keyed = { ...shown, "idempotency-key": "k-1" };
    expect(await scheme.verify(request(keyed, BODY))).toEqual({ ok: true, deliveryId: "k-1" });
  });

  test("is not served with a signing token of another form", async () => {
    await expect(gitlab({ secrets: ["whsec_short"] }).check()).rejects.toMatchObject({ code: "SECRET_INVALID" });
  });
});

describe("standard webhooks", () => {
  test("mixes no headers of Svix with others", async () => {
    const scheme = standardWebhooks({ secrets: [SECRET] });
    const headers = (await scheme.sign?.({ body: BODY, id: "msg_1", at: NOW })) ?? {};
    const { "webhook-id": id = "", ...rest } = headers;
    expect(reasonOf(await scheme.verify(request({ ...rest, "svix-id": id }, BODY)))).toBe("header-missing");
  });

  test.each(["whpk_", `whpk_${Buffer.alloc(31).toString("base64")}`, `WHPK_${Buffer.alloc(32).toString("base64")}`])(
    "is not served with the public key %j",
    async (key) => {
      await expect(standardWebhooks({ secrets: [key] }).check()).rejects.toMatchObject({ code: "SECRET_INVALID" });
    },
  );

  test("signs nothing by a public key", async () => {
    const scheme = standardWebhooks({ secrets: [`whpk_${Buffer.alloc(32, 1).toString("base64")}`] });
    await expect(scheme.sign?.({ body: BODY, id: "1", at: NOW })).rejects.toMatchObject({ code: "SECRET_INVALID" });
  });
});

describe("none", () => {
  test("takes what this machine sends and nothing else, and warns", async () => {
    const scheme = none();
    await scheme.check();
    expect(scheme.warning).toMatch(/verifies nothing/);
    expect(reasonOf(await scheme.verify(request({}, BODY)))).toBe("not-local");
    expect(reasonOf(await scheme.verify({ ...request({}, BODY), isLocal: false }))).toBe("not-local");
    expect(await scheme.verify({ ...request({}, BODY), isLocal: true })).toMatchObject({ ok: true });
  });
});
