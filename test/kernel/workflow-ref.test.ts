import { describe, expect, it } from "vitest";
import { checkProgramId } from "../../src/kernel/workflow-ref.ts";

describe("a workflow's name and version", () => {
  it("are as given, and the version is 1 by default", () => {
    expect(checkProgramId("ship", "2")).toEqual({ name: "ship", version: "2" });
    expect(checkProgramId("ship")).toEqual({ name: "ship", version: "1" });
  });

  it("are texts, and the error says which is not", () => {
    expect(() => checkProgramId(7)).toThrow(
      expect.objectContaining({
        code: "NAME_INVALID",
        message: expect.stringContaining("expected the name of a workflow to be a text"),
      }),
    );
    expect(() => checkProgramId("ship", "")).toThrow(
      expect.objectContaining({
        code: "NAME_INVALID",
        message: expect.stringContaining('expected the version of workflow "ship" to be a text'),
      }),
    );
  });
});
