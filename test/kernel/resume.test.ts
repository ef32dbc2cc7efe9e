import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ResumeOptions, resumeSigner, type SignedTicket } from "../../src/kernel/resume.ts";

const SECRET = "the secret of the tests, long enough";
const OTHER = "another secret of the tests, long too";
const BASE = "https://example.org/varve";

const signer = (secret: ResumeOptions["secret"] = SECRET, baseUrl = BASE) => resumeSigner({ baseUrl, secret });
const tokenOf = (ticket: SignedTicket, secret?: ResumeOptions["secret"]) =>
  signer(secret).url(ticket).slice(`${BASE}/resume/`.length);

const ticket: SignedTicket = { runId: "run_1", signal: "approval", call: "0123" };

const name = fc.string({ unit: "binary", minLength: 1, maxLength: 256 }).map((text) => text.toWellFormed());
const tickets = fc.record({ runId: name, signal: name, call: name });

describe("a resume token", () => {
  it("is part of the format: an address of today is good for ever", () => {
    expect(signer().url(ticket)).toBe(
      "https://example.org/varve/resume/WyJydW5fMSIsImFwcHJvdmFsIiwiMDEyMyJd.bUU_IpjyEc_m6Nl_Fb_RErDtjb8eUiQtsK81zQ3Wjpc",
    );
  });

  it("is what it says: JSON, and its HMAC-SHA-256", () => {
    const [body = "", mac] = tokenOf(ticket).split(".");
    expect(JSON.parse(Buffer.from(body, "base64url").toString())).toEqual(["run_1", "approval", "0123"]);
    expect(mac).toBe(createHmac("sha256", SECRET).update(`varve.resume.v1\n${body}`).digest("base64url"));
  });

  it("gives back whatever ticket it was made of, and is fit for an address", () => {
    fc.assert(
      fc.property(tickets, (ticket) => {
        const url = signer().url(ticket);
        expect(new URL(url).href).toBe(url);
        expect(signer().read(url.slice(`${BASE}/resume/`.length))).toEqual(ticket);
      }),
    );
  });

  it("is not good with any of its characters changed, left out or added", () => {
    const token = tokenOf(ticket);
    for (let at = 0; at < token.length; at++) {
      for (const char of ["A", "B", "-", "_", ".", "=", "%", " ", "\0"]) {
        if (token[at] === char) continue;
        expect(signer().read(`${token.slice(0, at)}${char}${token.slice(at + 1)}`)).toBeNull();
      }
      expect(signer().read(token.slice(0, at))).toBeNull();
      expect(signer().read(token.slice(at + 1))).toBeNull();
      expect(signer().read(`${token.slice(0, at)}${token.slice(at + 1)}`)).toBeNull();
    }
    for (const around of [`${token}A`, `A${token}`, `${token}\n`, ` ${token}`, `${token}=`, `${token}.`])
      expect(signer().read(around)).toBeNull();
  });

  it("is not good for another run, signal or call under its signature", () => {
    const [, mac] = tokenOf(ticket).split(".");
    for (const other of [
      { ...ticket, runId: "run_2" },
      { ...ticket, signal: "refusal" },
      { ...ticket, call: "0124" },
    ]) {
      const [body] = tokenOf(other).split(".");
      expect(signer().read(`${body}.${mac}`)).toBeNull();
    }
  });

  it("is not good when another secret has signed it, nor when ours has signed it for something else", () => {
    expect(signer(OTHER).read(tokenOf(ticket))).toBeNull();
    const [body = ""] = tokenOf(ticket).split(".");
    expect(signer().read(`${body}.${createHmac("sha256", SECRET).update(body).digest("base64url")}`)).toBeNull();
  });

  it("of no form is none", () => {
    for (const text of ["", ".", "a.b", `${"A".repeat(9_000)}.${"A".repeat(43)}`, `.${"A".repeat(43)}`, "\ud800"])
      expect(signer().read(text)).toBeNull();
    for (const value of [undefined, null, 7, {}]) expect(signer().read(value as never)).toBeNull();
  });
});

describe("several secrets", () => {
  it("all verify, and the first signs", () => {
    expect(tokenOf(ticket, [OTHER, SECRET])).toBe(tokenOf(ticket, OTHER));
    for (const secret of [SECRET, OTHER]) expect(signer([OTHER, SECRET]).read(tokenOf(ticket, secret))).toEqual(ticket);
    expect(signer([OTHER]).read(tokenOf(ticket, SECRET))).toBeNull();
  });
});

describe("options", () => {
  const refusalOf = (options: unknown) => {
    try {
      resumeSigner(options as ResumeOptions);
    } catch (error) {
      return error as Error & { code: string; facts: object };
    }
    return null;
  };

  it.each<[string, unknown]>([
    ["too short", "c4n4ry"],
    ["one of several too short", [SECRET, "c4n4ry"]],
    ["none", []],
    ["too many", Array.from({ length: 17 }, () => SECRET)],
    ["no text", 7],
    ["missing", undefined],
    ["bytes", new Uint8Array(64)],
  ])("with a secret that is %s are refused, and it is not shown", (_what, secret) => {
    const refusal = refusalOf({ baseUrl: BASE, secret });
    expect(refusal).toMatchObject({ name: "DefinitionError", code: "SECRET_INVALID" });
    expect(`${refusal?.stack}${JSON.stringify(refusal)}`).not.toMatch(/c4n4ry|of the tests/);
  });

  it("with secrets of 32 characters are taken, and up to 16 of them", () => {
    const secrets = Array.from({ length: 16 }, (_, i) => `${i}`.padEnd(32, "s"));
    expect(signer(secrets).read(tokenOf(ticket, secrets[15]))).toEqual(ticket);
    expect(refusalOf({ baseUrl: BASE, secret: ["s".repeat(31)] })?.message).toContain(
      "a random text of at least 32 characters, or a list of 1 to 16 of them, but found something else; `openssl rand -base64 32` makes one",
    );
  });

  it.each([
    "",
    "example.org",
    "ftp://example.org",
    "https://example.org?a=1",
    "https://example.org/#a",
    "https://me:c4n4ry@example.org",
    7,
    undefined,
  ])("with the address %j are refused, and no password in it is shown", (baseUrl) => {
    const refusal = refusalOf({ baseUrl, secret: SECRET });
    expect(refusal).toMatchObject({ name: "DefinitionError", code: "OPTION_INVALID" });
    expect(refusal?.message).toContain("resume.baseUrl to be an address such as https://example.org/varve, but found");
    expect(`${refusal?.stack}${JSON.stringify(refusal)}`).not.toMatch(/c4n4ry|of the tests/);
  });

  it.each([undefined, null, "x", 1])("that are %j are refused", (options) => {
    expect(refusalOf(options)).toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining("expected resume to be an object with baseUrl and secret, but found"),
    });
  });

  it("do not keep the secret where it is seen", () => {
    expect(JSON.stringify(signer())).toBe("{}");
    expect(Object.values(signer()).map(String).join()).not.toContain("tests");
  });

  it("take an address with slashes at its end", () => {
    for (const [baseUrl, begin] of [
      ["https://example.org/varve/", "https://example.org/varve/resume/W"],
      ["http://127.0.0.1:8787", "http://127.0.0.1:8787/resume/W"],
    ] as const)
      expect(signer(SECRET, baseUrl).url(ticket)).toContain(begin);
  });
});
