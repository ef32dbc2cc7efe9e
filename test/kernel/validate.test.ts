import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isVarveError } from "../../src/kernel/errors.ts";
import { validate, validateNow } from "../../src/kernel/validate.ts";
import { checkProgramId, type Schema } from "../../src/kernel/workflow-ref.ts";

const ORDER = z.object({ id: z.string(), lines: z.array(z.object({ sku: z.string().default("none") })) });
const SLOW = z.string().refine(async (text) => text !== "bad", "is bad");

async function thrownBy(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("a value", () => {
  it("becomes what its schema makes of it", () => {
    expect(validate("the input", ORDER, { id: "o", lines: [{}], more: 1 }, "C")).toEqual({
      id: "o",
      lines: [{ sku: "none" }],
    });
  });

  it("without a schema stays what it is", () => {
    const value = { any: 1 };
    expect(validate("the input", undefined, value, "C")).toBe(value);
    expect(validateNow("the input", undefined, value, "C")).toBe(value);
  });

  it("that does not fit is refused with every place", async () => {
    const error = await thrownBy(() => validate("the input", ORDER, { id: 5, lines: [{ sku: 1 }] }, "INPUT_INVALID"));
    expect(isVarveError(error, "INPUT_INVALID")).toBe(true);
    expect(error).toMatchObject({
      name: "ValidationError",
      facts: { issues: [{ path: "$.id" }, { path: "$.lines[0].sku" }] },
    });
    expect((error as Error).message).toMatch(
      /^expected the input to fit its schema, but found \$\.id: .+; \$\.lines\[0\]\.sku: /,
    );
  });

  it("that is wrong in many places is refused naming five of them", async () => {
    const schema = z.array(z.number());
    const error = (await thrownBy(() => validate("it", schema, Array(9).fill("x"), "C"))) as Error & {
      facts: { issues: unknown[] };
    };
    expect(error.message.match(/\$\[\d\]/g)).toEqual(["$[0]", "$[1]", "$[2]", "$[3]", "$[4]"]);
    expect(error.message).toMatch(/\(and 4 more\)$/);
    expect(error.facts.issues).toHaveLength(9);
    const five = (await thrownBy(() => validate("it", schema, Array(5).fill("x"), "C"))) as Error;
    expect(five.message).toMatch(/\$\[4\]: [^()]+$/);
    const own: Schema = {
      "~standard": { version: 1, vendor: "test", validate: () => ({ issues: [{ message: "is odd", path: ["a"] }] }) },
    };
    const one = (await thrownBy(() => validate("it", own, 1, "C"))) as Error;
    expect(one.message).toBe("expected it to fit its schema, but found $.a: is odd");
  });

  it("is waited for where its schema takes time", async () => {
    await expect(validate("it", SLOW, "good", "C")).resolves.toBe("good");
    const error = await thrownBy(() => validate("it", SLOW, "bad", "C"));
    expect(error).toMatchObject({ code: "C", facts: { issues: [{ path: "$", message: "is bad" }] } });
  });

  it("is not waited for where nothing may be awaited", async () => {
    for (const value of ["good", "bad"]) {
      const error = await thrownBy(() => validateNow("the output", SLOW, value, "C"));
      expect(isVarveError(error, "SCHEMA_ASYNC")).toBe(true);
      expect((error as Error).message).toContain("the schema of the output");
    }
  });

  it("is refused by a schema that names places by keys and symbols, or none", async () => {
    const schema: Schema = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: () => ({
          issues: [{ message: "m", path: [{ key: "a" }, { key: 0 }, Symbol("s")] }, { message: "n" }],
        }),
      },
    };
    const error = await thrownBy(() => validate("it", schema, 1, "C"));
    expect(error).toMatchObject({
      facts: {
        issues: [
          { path: "$.a[0].Symbol(s)", message: "m" },
          { path: "$", message: "n" },
        ],
      },
    });
  });
});

describe("a program", () => {
  it("has a name and a version, 1 if it names none", () => {
    expect(checkProgramId("ship")).toEqual({ name: "ship", version: "1" });
    expect(checkProgramId("ship", "2024-10")).toEqual({ name: "ship", version: "2024-10" });
  });

  it.each([
    ["", "1", "the name of a workflow"],
    ["a\0", "1", "the name of a workflow"],
    [Symbol("s"), "1", "the name of a workflow"],
    ["ship", "", 'the version of workflow "ship"'],
    ["ship", 2, 'the version of workflow "ship"'],
    ["ship", "\ud800", 'the version of workflow "ship"'],
  ])("of name %s and version %s is refused", async (name, version, what) => {
    const error = await thrownBy(() => checkProgramId(name, version));
    expect(isVarveError(error, "NAME_INVALID")).toBe(true);
    expect((error as Error).message).toContain(`expected ${what} to be a text`);
  });
});
