import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromBase64, fromBase64Url, toBase64, toBase64Url } from "../../src/kernel/base64.ts";

/** Lengths about the size of the pieces that are converted at a time. */
const LENGTHS = [0, 1, 2, 3, 8_191, 8_192, 8_193, 16_384, 20_000];

const bytesOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255);

describe("bytes as base64", () => {
  it.each(LENGTHS)("are what the platform makes of %i of them, and come back", (length) => {
    const bytes = bytesOf(length);
    expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
    expect(toBase64Url(bytes)).toBe(Buffer.from(bytes).toString("base64url"));
    expect([...fromBase64(toBase64(bytes))]).toEqual([...bytes]);
    expect([...fromBase64Url(toBase64Url(bytes))]).toEqual([...bytes]);
  });

  it("are so whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(toBase64Url(bytes)).toBe(Buffer.from(bytes).toString("base64url"));
        expect([...fromBase64Url(toBase64Url(bytes))]).toEqual([...bytes]);
      }),
    );
  });

  it("are not made of other texts", () => {
    expect(() => fromBase64("a*b")).toThrow();
    expect(() => fromBase64Url("é")).toThrow();
  });
});
