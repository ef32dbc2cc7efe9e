import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isVarveError } from "../../src/kernel/errors.ts";
import {
  checkName,
  checkPathName,
  clipText,
  isSameText,
  isStorableText,
  NAME_LENGTH_MAX,
  plainHttpAddress,
  shownAddress,
} from "../../src/kernel/text.ts";
import { anyText } from "../support/storable.ts";

describe("a name", () => {
  it.each(["a", " ", "größe 🙂", "x".repeat(NAME_LENGTH_MAX), "a\nb", "'; DROP TABLE runs; --"])(
    "%j is one",
    (name) => {
      expect(checkName("the name", name)).toBe(name);
    },
  );

  it.each([".", ".."])("%j is one, but stands in no path", (name) => {
    expect(checkName("the name", name)).toBe(name);
    expect(() => checkPathName("the name", name)).toThrow(/steps of a path/);
  });

  it.each(["...", "a/b", "../a", "%2e", " "])("%j stands in a path", (name) => {
    expect(checkPathName("the name", name)).toBe(name);
  });

  it.each([
    ["", "an empty text"],
    ["x".repeat(NAME_LENGTH_MAX + 1), "257 characters"],
    ["ab\0c", "a NUL at character 3"],
    ["a\ud800", "a lone surrogate"],
    ["\udfffa", "a lone surrogate"],
    [null, "null"],
    [undefined, "undefined"],
    [7, "number"],
    [["a"], "object"],
  ])("%j is none: it is %s", (name, found) => {
    let thrown: unknown;
    try {
      checkName("the tag", name);
    } catch (error) {
      thrown = error;
    }
    expect(isVarveError(thrown, "NAME_INVALID")).toBe(true);
    expect(thrown).toMatchObject({ name: "DefinitionError", facts: { what: "the tag", name } });
    expect((thrown as Error).message).toBe(
      `expected the tag to be a text of 1 to 256 characters without NUL and lone surrogates, but found ${found}`,
    );
  });
});

describe("storable text", () => {
  it("is well-formed and has no NUL", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const bytes = new TextEncoder().encode(text);
        const kept = new TextDecoder().decode(bytes) === text && !bytes.includes(0);
        return isStorableText(text) === kept;
      }),
    );
    expect([isStorableText(""), isStorableText("a\0"), isStorableText("\ud83d")]).toEqual([true, false, false]);
  });
});

describe("clipped text", () => {
  it("is whole if it fits", () => {
    expect(clipText("abc", 3)).toBe("abc");
  });

  it("ends in an ellipsis within its bound", () => {
    expect(clipText("abcd", 3)).toBe("ab…");
  });

  it("is well-formed also where the cut parts a pair, and never longer than its bound", () => {
    expect(clipText("a🙂🙂", 3)).toBe("a\ufffd…");
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 20 }), (text, max) => {
        const clipped = clipText(text, max);
        return clipped.isWellFormed() && clipped.length <= max;
      }),
    );
  });
});

describe("an address as it is shown", () => {
  it.each([
    ["file:varve.db", "file:varve.db"],
    ["file:///home/me@work/varve.db", "file:///home/me@work/varve.db"],
    ["file:varve.db?authToken=s", "file:varve.db?…"],
    ["libsql://db.example.org", "libsql://db.example.org"],
    ["libsql://db.example.org/a?authToken=s#s", "libsql://db.example.org/a?…"],
    ["https://user:s@db.example.org/a", "https://…@db.example.org/a"],
    ["postgres://user:s/s@s@db.example.org/a", "postgres://…@db.example.org/a"],
    ["user:s@db.example.org", "…@db.example.org"],
    ["token:@db.example.org", "…@db.example.org"],
    ["libsql://user:s@db.example.org/file:a", "libsql://…@db.example.org/file:a"],
    ["libsql://user:s?s@db.example.org/a", "libsql://…@"],
    ["libsql://db.example.org?authToken=s@s", "libsql://…@"],
    ["//user:s@db.example.org/a", "…@db.example.org/a"],
    [" libsql://user:s@db.example.org", "…@db.example.org"],
    ['"libsql://user:s@db.example.org"', '…@db.example.org"'],
  ])("of %s is %s", (address, shown) => {
    expect(shownAddress(address)).toBe(shown);
  });

  it("never holds what stands between its scheme and its host, or behind ? and #", () => {
    const secret = "s3cr3t";
    const part = fc.string({ unit: fc.constantFrom(...'abc:/@?#. \n"') });
    fc.assert(
      fc.property(fc.constantFrom("", " ", "//", "libsql://", "https:"), part, part, (start, before, after) => {
        const address = `${start}${before}${secret}${after}@db.example.org`;
        // What `://` follows is a scheme, whatever it is.
        fc.pre(!/^[\w.]*s3cr3t[\w.]*:\/\//.test(address));
        expect(shownAddress(address)).not.toContain(secret);
        expect(shownAddress(`${start}${before}?${secret}${after}`)).not.toContain(secret);
        expect(shownAddress(`file:${before}#${secret}${after}`)).not.toContain(secret);
      }),
    );
  });
});

describe("the comparison of secrets", () => {
  it("finds what the platform finds", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "\0"), maxLength: 4 });
    fc.assert(
      fc.property(text, text, (a, b) => isSameText(a, b) === (a === b)),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ["ab", "ba"],
    ["ab", "abab"],
    ["aa", "bb"],
    ["", "a"],
    ["a", ""],
    ["a", "a\0"],
  ])("tells %j from %j", (a, b) => {
    expect(isSameText(a, b)).toBe(false);
  });
});

describe("an address of an HTTP server", () => {
  it.each([
    ["http://127.0.0.1:8787", "http://127.0.0.1:8787"],
    ["https://example.org/", "https://example.org"],
    ["https://example.org/varve///", "https://example.org/varve"],
    ["HTTPS://Example.org/a//b", "https://example.org/a//b"],
  ])("%s is %s", (url, address) => {
    expect(plainHttpAddress(url)).toBe(address);
  });

  it.each([
    "",
    "example.org",
    "ftp://example.org",
    "xhttp://example.org",
    "httpx://example.org",
    "https://example.org?a=1",
    "https://example.org/#a",
    "https://me@example.org",
    "https://:s@example.org",
    7,
    null,
    { toString: () => "https://example.org" },
  ])("%j is none", (url) => {
    expect(plainHttpAddress(url)).toBeNull();
  });
});
