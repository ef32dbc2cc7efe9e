import { describe, expect, it } from "vitest";
import { isHiddenScope, runsAgain } from "../../src/kernel/state.ts";
import { given, type Told } from "./history.ts";

const started = (scope: string): Told => ["scope.started", scope];

describe("a scope on resume", () => {
  it("runs again unless it has completed without compensations", () => {
    const again = (...told: Told[]) => {
      const call = given(["run.created"], started("o"), ...told).calls.get("o");
      return call && runsAgain(call);
    };
    expect(again()).toBe(true);
    expect(again(["scope.failed", "o"])).toBe(true);
    expect(again(["scope.completed", "o", { value: null, kept: true }])).toBe(true);
    expect(again(["scope.completed", "o"])).toBe(false);
  });

  it("that is to be made anew does not run again, since the run was reopened before it", () => {
    const reopened: Told = ["run.reopened", null, { from: 2 }, { epoch: 1 }];
    const state = given(["run.created"], ["step.failed", "a"], started("o"), ["run.failed"], reopened);
    expect(isHiddenScope(state, "o")).toBe(true);
  });
});

describe("what lies within a scope", () => {
  const within = given(["run.created"], started("o"), started("o/i"), started("p"), ["scope.completed", "p"]);

  it("counts while each scope around it runs again", () => {
    expect(isHiddenScope(within, "")).toBe(false);
    expect(isHiddenScope(within, "o")).toBe(false);
    expect(isHiddenScope(within, "o/i")).toBe(false);
  });

  it("counts no more once one of them has completed, however far out", () => {
    expect(isHiddenScope(within, "p")).toBe(true);
    const done = given(["run.created"], started("o"), started("o/i"), ["scope.completed", "o"]);
    expect(isHiddenScope(done, "o/i")).toBe(true);
  });

  it("does not count where the log does not know the scope", () => {
    expect(isHiddenScope(within, "q")).toBe(true);
    expect(isHiddenScope(within, "o/q")).toBe(true);
  });
});
