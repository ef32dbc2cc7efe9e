import { verify as peerVerify, sign } from "@octokit/webhooks-methods";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { github } from "../../src/triggers/github.ts";
import { bytes, githubHeaders, githubSignature, reasonOf, request } from "./request.ts";

const SECRET = "It's a Secret to Everybody";
const BODY = "Hello, World!";
/** From docs.github.com, "Validating webhook deliveries". */
const OFFICIAL = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

const scheme = github({ secrets: [SECRET] });
const official = { "x-github-delivery": "d-1", "x-hub-signature-256": OFFICIAL };
const verify = async (...what: Parameters<typeof request>) => await scheme.verify(request(...what));

describe("github", () => {
  test("takes GitHub's own example", async () => {
    expect(await verify(official, BODY)).toEqual({ ok: true, deliveryId: "d-1" });
  });

  test("takes header names in any case", async () => {
    const headers = { "X-GitHub-Delivery": "d-1", "X-Hub-Signature-256": OFFICIAL };
    expect(await verify(headers, BODY)).toMatchObject({ ok: true });
  });

  test("takes what Octokit signs, and Octokit takes what is signed by hand", async () => {
    const text = fc.string({ minLength: 1, unit: "grapheme" });
    await fc.assert(
      fc.asyncProperty(text, text, async (secret, body) => {
        const headers = { "x-github-delivery": "d", "x-hub-signature-256": await sign(secret, body) };
        expect(await github({ secrets: [secret] }).verify(request(headers, body))).toMatchObject({ ok: true });
        expect(await peerVerify(secret, body, githubSignature(secret, body))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test("refuses a signature with any byte changed, as Octokit does", async () => {
    const mac = Buffer.from(OFFICIAL.slice(7), "hex");
    for (let i = 0; i < mac.length; i++) {
      const flipped = Buffer.from(mac);
      flipped[i] = (flipped[i] as number) ^ (1 << (i % 8));
      const signature = `sha256=${flipped.toString("hex")}`;
      expect(reasonOf(await verify({ ...official, "x-hub-signature-256": signature }, BODY))).toBe("signature-wrong");
      expect(await peerVerify(SECRET, BODY, signature)).toBe(false);
    }
  });

  test("refuses a body with any byte changed, one more or one less", async () => {
    const body = bytes(BODY);
    for (let i = 0; i < body.length; i++) {
      const changed = body.with(i, (body[i] as number) ^ 1);
      expect(reasonOf(await verify(official, changed))).toBe("signature-wrong");
    }
    for (const other of ["", `${BODY} `, ` ${BODY}`, BODY.slice(0, -1), `${BODY}\0`]) {
      expect(reasonOf(await verify(official, other))).toBe("signature-wrong");
    }
  });

  test.each([
    ["no prefix", OFFICIAL.slice(7)],
    ["the prefix of SHA-1", OFFICIAL.replace("sha256", "sha1")],
    ["upper case", OFFICIAL.toUpperCase()],
    ["one digit less", OFFICIAL.slice(0, -1)],
    ["one digit more", `${OFFICIAL}0`],
    ["one byte less", OFFICIAL.slice(0, -2)],
    ["no digits", "sha256="],
    ["nothing", ""],
    ["other letters", `sha256=${"g".repeat(64)}`],
    ["a space before", ` ${OFFICIAL}`],
    ["a line break after", `${OFFICIAL}\n`],
    ["two of them in one", `${OFFICIAL}, ${OFFICIAL}`],
    ["a million characters", `sha256=${"0".repeat(1_000_000)}`],
  ])("refuses a signature of another form: %s", async (_what, signature) => {
    expect(reasonOf(await verify({ ...official, "x-hub-signature-256": signature }, BODY))).toBe("header-malformed");
  });

  test("refuses a header that is missing or comes twice, even with the same value", async () => {
    for (const [name, value] of Object.entries(official)) {
      const others = Object.entries(official).filter(([other]) => other !== name);
      expect(reasonOf(await verify(others, BODY))).toBe("header-missing");
      const twice = [...Object.entries(official), [name.toUpperCase(), value] as const];
      expect(reasonOf(await verify(twice, BODY))).toBe("header-repeated");
    }
  });

  test.each(["", "a b", "a/b", "é", "a\nb", "x".repeat(129)])("refuses the delivery id %j", async (id) => {
    expect(reasonOf(await verify({ ...official, "x-github-delivery": id }, BODY))).toBe("header-malformed");
  });

  test("takes any of its secrets, and none that was taken away", async () => {
    let secrets = ["new", SECRET];
    const rotating = github({ secrets: () => secrets });
    expect(await rotating.verify(request(official, BODY))).toMatchObject({ ok: true });
    expect(await rotating.verify(request(githubHeaders("new", BODY), BODY))).toMatchObject({ ok: true });
    secrets = ["new"];
    expect(reasonOf(await rotating.verify(request(official, BODY)))).toBe("signature-wrong");
  });

  test.each([[[]], [[""]], [["good", ""]], [[undefined as never]]])(
    "is not served with the secrets %j",
    async (secrets) => {
      await expect(github({ secrets }).check()).rejects.toMatchObject({ code: "SECRET_INVALID" });
      await expect(github({ secrets: () => secrets }).check()).rejects.toMatchObject({ code: "SECRET_INVALID" });
    },
  );

  test("takes nothing by a secret that has become empty", async () => {
    for (const secrets of [[""], [undefined as never], []]) {
      const emptied = github({ secrets: () => secrets });
      const signed = request(githubHeaders("", BODY), BODY);
      expect(reasonOf(await emptied.verify(signed))).toBe("signature-wrong");
    }
  });

  test("refuses whatever is not signed, and never throws", async () => {
    const names = fc.constantFrom("x-hub-signature-256", "X-Hub-Signature-256", "x-github-delivery");
    const header = fc.oneof(
      fc.tuple(names, fc.string({ unit: "binary" })),
      fc.tuple(fc.constant("x-hub-signature-256"), fc.stringMatching(/^sha256=[0-9a-f]{64}$/)),
      fc.tuple(fc.constant("x-github-delivery"), fc.stringMatching(/^[a-z0-9-]{1,36}$/)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(header, { maxLength: 4 }), fc.uint8Array({ maxLength: 200 }), async (headers, body) => {
        expect((await verify(headers, body)).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
