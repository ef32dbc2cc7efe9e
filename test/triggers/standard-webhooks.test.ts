import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import { standardWebhooks } from "../../src/triggers/standard-webhooks.ts";
import { bytes, NOW, reasonOf, request, standardHeaders, standardMac } from "./request.ts";

/** The vector that the reference libraries test themselves with. */
const OFFICIAL = {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  body: '{"test": 2432232314}',
  at: 1_614_265_330_000,
  headers: {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  },
} as const;
const SECRET = OFFICIAL.secret;
const OTHER = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const BODY = '{"event":"paid"}';

const scheme = standardWebhooks({ secrets: [SECRET] });
const verify = async (...what: Parameters<typeof request>) => await scheme.verify(request(...what));

function peerTakes(secret: string, headers: Record<string, string>, body: string): boolean {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

describe("standard webhooks", () => {
  test("takes the official vector", async () => {
    const { headers, body, at } = OFFICIAL;
    expect(await verify(headers, body, at)).toEqual({ ok: true, deliveryId: "msg_p5jXN8AQM9LWM0D4loKWxJek" });
    const byHand = standardMac(SECRET, headers["webhook-id"], headers["webhook-timestamp"], body);
    expect(`v1,${byHand}`).toBe(headers["webhook-signature"]);
  });

  test("takes what the reference library signs, and that takes what is signed by hand", async () => {
    const key = fc.uint8Array({ minLength: 24, maxLength: 64 });
    const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);
    await fc.assert(
      fc.asyncProperty(key, id, fc.json({ maxDepth: 2 }), async (key, id, body) => {
        const secret = `whsec_${Buffer.from(key).toString("base64")}`;
        const now = Date.now();
        const timestamp = String(Math.floor(now / 1_000));
        const signature = new Webhook(secret).sign(id, new Date(now), body);
        const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
        const verification = await standardWebhooks({ secrets: [secret] }).verify(request(headers, body, now));
        expect(verification).toEqual({ ok: true, deliveryId: id });
        expect(peerTakes(secret, standardHeaders(secret, body, { id, at: now }), body)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test("refuses a signature with any byte changed, as the reference does", async () => {
    const now = Date.now();
    const headers = standardHeaders(SECRET, BODY, { at: now });
    const mac = Buffer.from(headers["webhook-signature"]?.slice(3) as string, "base64");
    for (let i = 0; i < mac.length; i++) {
      const flipped = Buffer.from(mac);
      flipped[i] = (flipped[i] as number) ^ (1 << (i % 8));
      const changed = { ...headers, "webhook-signature": `v1,${flipped.toString("base64")}` };
      expect(reasonOf(await verify(changed, BODY, now))).toBe("signature-wrong");
      expect(peerTakes(SECRET, changed, BODY)).toBe(false);
    }
  });

  test("refuses a body, an id or a time other than what was signed", async () => {
    const headers = standardHeaders(SECRET, BODY);
    const body = bytes(BODY);
    for (let i = 0; i < body.length; i++) {
      const changed = body.with(i, (body[i] as number) ^ 0x80);
      expect(reasonOf(await verify(headers, changed))).toBe("signature-wrong");
    }
    expect(reasonOf(await verify({ ...headers, "webhook-id": "msg_2" }, BODY))).toBe("signature-wrong");
    const later = { ...headers, "webhook-timestamp": String(Number(headers["webhook-timestamp"]) + 1) };
    expect(reasonOf(await verify(later, BODY))).toBe("signature-wrong");
  });

  test("refuses an id with a dot, which would move the boundary of what is signed", async () => {
    const headers = standardHeaders(SECRET, BODY, { id: "msg.1" });
    expect(reasonOf(await verify(headers, BODY))).toBe("header-malformed");
  });

  test("takes a time to the edge of the window and refuses it beyond, both ways", async () => {
    const headers = standardHeaders(SECRET, BODY);
    const signedAt = Math.floor(NOW / 1_000) * 1_000;
    for (const off of [-300_000, -1, 0, 1, 300_000]) {
      expect(await verify(headers, BODY, signedAt + off), `${off}`).toMatchObject({ ok: true });
    }
    for (const off of [-300_001, 300_001, -86_400_000, 86_400_000]) {
      expect(reasonOf(await verify(headers, BODY, signedAt + off)), `${off}`).toBe("outside-time-window");
    }
    const narrow = standardWebhooks({ secrets: [SECRET], tolerance: "10s" });
    expect(reasonOf(await narrow.verify(request(headers, BODY, signedAt + 10_001)))).toBe("outside-time-window");
    expect(await narrow.verify(request(headers, BODY, signedAt + 10_000))).toMatchObject({ ok: true });
  });

  test.each(["", " ", "soon", "-1", "1.5", "1e9", "0x10", "1763720000 ", "1763720000s", "9".repeat(13)])(
    "refuses the time %j",
    async (timestamp) => {
      const mac = standardMac(SECRET, "msg_1", timestamp, BODY);
      const headers = { "webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": `v1,${mac}` };
      expect(reasonOf(await verify(headers, BODY))).toBe("header-malformed");
    },
  );

  test("takes one good signature among others, and passes over versions that it does not know", async () => {
    const headers = standardHeaders(SECRET, BODY);
    const good = headers["webhook-signature"] as string;
    const wrong = `v1,${Buffer.alloc(32).toString("base64")}`;
    for (const several of [`${wrong} ${good}`, `${good} ${wrong}`, `v1a,xyz ${good}`, `v2,zzz ${wrong} ${good}`]) {
      expect(await verify({ ...headers, "webhook-signature": several }, BODY)).toMatchObject({ ok: true });
    }
    const mac = good.slice(3);
    for (const none of [wrong, `v2,${mac}`, `v1a,${mac}`, `V1,${mac}`, mac]) {
      expect(reasonOf(await verify({ ...headers, "webhook-signature": none }, BODY)), none).toBe("signature-wrong");
    }
    const many = Array.from({ length: 17 }, () => good).join(" ");
    expect(reasonOf(await verify({ ...headers, "webhook-signature": many }, BODY))).toBe("header-malformed");
  });

  test("refuses a signature of another length, or another text of the same bytes", async () => {
    const headers = standardHeaders(SECRET, BODY);
    const mac = (headers["webhook-signature"] as string).slice(3);
    // The last character before the padding has bits to spare: another one gives the same bytes.
    const spare = `${mac.slice(0, -2)}${String.fromCharCode(mac.charCodeAt(mac.length - 2) + 1)}=`;
    expect(Buffer.from(spare, "base64")).toEqual(Buffer.from(mac, "base64"));
    for (const other of [mac.slice(0, -1), mac.slice(0, -4), `${mac}AAAA`, `${mac}=`, "", "=", spare]) {
      const changed = { ...headers, "webhook-signature": `v1,${other}` };
      expect(reasonOf(await verify(changed, BODY)), other).toBe("signature-wrong");
    }
  });

  test("refuses a header that is missing, comes twice or is joined of two", async () => {
    const headers = standardHeaders(SECRET, BODY);
    for (const [name, value] of Object.entries(headers)) {
      const others = Object.entries(headers).filter(([other]) => other !== name);
      expect(reasonOf(await verify(others, BODY))).toBe("header-missing");
      const twice = [...Object.entries(headers), [name, value] as const];
      expect(reasonOf(await verify(twice, BODY))).toBe("header-repeated");
    }
    for (const name of ["webhook-id", "webhook-timestamp"]) {
      const joined = { ...headers, [name]: `${headers[name]}, ${headers[name]}` };
      expect(reasonOf(await verify(joined, BODY))).toBe("header-malformed");
    }
  });

  test("takes any of its secrets, and none that was taken away or became empty", async () => {
    let secrets: string[] = [OTHER, SECRET];
    const rotating = standardWebhooks({ secrets: () => secrets });
    const byOld = request(standardHeaders(SECRET, BODY), BODY);
    expect(await rotating.verify(byOld)).toMatchObject({ ok: true });
    expect(await rotating.verify(request(standardHeaders(OTHER, BODY), BODY))).toMatchObject({ ok: true });
    secrets = [OTHER];
    expect(reasonOf(await rotating.verify(byOld))).toBe("signature-wrong");
    secrets = [""];
    expect(reasonOf(await rotating.verify(request(standardHeaders("", BODY), BODY)))).toBe("signature-wrong");
  });

  test.each([
    [[]],
    [[""]],
    [["whsec_"]],
    [[SECRET, ""]],
    [["no base64!"]],
    [["whsec_c2hvcnQ="]],
    [[`whsec_${Buffer.alloc(65).toString("base64")}`]],
    [[undefined as never]],
  ])("is not served with the secrets %j", async (secrets) => {
    await expect(standardWebhooks({ secrets }).check()).rejects.toMatchObject({ code: "SECRET_INVALID" });
  });

  test("takes a secret without its prefix", async () => {
    const bare = standardWebhooks({ secrets: [SECRET.slice("whsec_".length)] });
    await bare.check();
    expect(await bare.verify(request(standardHeaders(SECRET, BODY), BODY))).toMatchObject({ ok: true });
  });

  test("takes nothing that the reference refuses, and never throws", async () => {
    const now = Date.now();
    const good = standardHeaders(SECRET, BODY, { at: now });
    const signature = fc.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/);
    const value = fc.oneof(fc.string({ unit: "binary" }), fc.string(), signature, fc.nat().map(String));
    const change = fc.record({ name: fc.constantFrom(...Object.keys(good)), value });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 2 }), fc.boolean(), async (changes, keeps) => {
        const headers = { ...good, ...Object.fromEntries(changes.map((each) => [each.name, each.value])) };
        const body = keeps ? BODY : `${BODY} `;
        const { ok } = await verify(headers, body, now);
        if (ok) expect(peerTakes(SECRET, headers, body)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
