import { describe, expect, it } from "vitest";
import { checkTags, NO_TAGS } from "../../src/kernel/tags.ts";

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, "v"]));

describe("tags", () => {
  it("are taken as a copy", () => {
    const tags = { customer: "c-1" };
    const checked = checkTags(tags);
    expect(checked).toEqual(tags);
    expect(checked).not.toBe(tags);
    expect(NO_TAGS).toEqual({});
  });

  it("are 32 at most", () => {
    expect(Object.keys(checkTags(many(32)))).toHaveLength(32);
    expect(() => checkTags(many(33))).toThrow(
      expect.objectContaining({
        code: "TAGS_LIMIT",
        message: "expected at most 32 tags, but found 33",
        facts: { max: 32, found: 33 },
      }),
    );
  });

  it.each([null, undefined, "a", 7])("cannot be %j", (tags) => {
    expect(() => checkTags(tags as never)).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringContaining("tags to be texts by name") }),
    );
  });

  it("have names and values that are texts, and the error says which is not", () => {
    expect(() => checkTags({ "": "v" })).toThrow(
      expect.objectContaining({ code: "NAME_INVALID", message: expect.stringContaining("the name of a tag") }),
    );
    expect(() => checkTags({ size: 5 as never })).toThrow(
      expect.objectContaining({ code: "NAME_INVALID", message: expect.stringContaining('the value of tag "size"') }),
    );
  });
});
