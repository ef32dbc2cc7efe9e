import { describe, expect, it } from "vitest";
import type { EventRow } from "../../src/kernel/events.ts";
import { OpenScopes } from "../../src/kernel/open-scopes.ts";

type Told = readonly [type: string, key?: string | null, data?: object | string | null, runId?: string | undefined];

/** Events with the seqs 1, 2, 3 ... in their run. */
function rows(...told: readonly Told[]): EventRow[] {
  const heads = new Map<string, number>();
  return told.map(([type, key = null, data = null, runId = "r"]) => {
    const seq = (heads.get(runId) ?? 0) + 1;
    heads.set(runId, seq);
    const text = typeof data === "object" && data !== null ? JSON.stringify(data) : data;
    return { type, key, data: text, runId, seq } as EventRow;
  });
}

const started = (key: string, runId?: string): Told => ["scope.started", key, null, runId];
const completed = (key: string, data: object | null = { value: 1 }, runId?: string): Told => [
  "scope.completed",
  key,
  data,
  runId,
];
const reopened = (from: unknown, runId?: string): Told => ["run.reopened", null, { from }, runId];

const openIn = (...told: readonly Told[]) => {
  const events = rows(...told);
  return new OpenScopes(events).among(events).map((each) => each.join(" "));
};

describe("scopes whose events count", () => {
  it("are those that have begun, and have not completed", () => {
    expect(openIn(["attempt.started", "a"], started("s"), started("t"), completed("s"))).toEqual(["r t"]);
    expect(openIn(started("s"), completed("s"), started("s"))).toEqual(["r s"]);
  });

  it("are those that failed, or are kept", () => {
    expect(openIn(started("s"), ["scope.failed", "s", { error: {} }])).toEqual(["r s"]);
    expect(openIn(started("s"), completed("s", { value: 1, kept: true }))).toEqual(["r s"]);
  });

  it("are of one run each", () => {
    const both = [started("s", "r1"), started("s", "r2"), completed("s", { value: 1 }, "r1")] as const;
    expect(openIn(...both)).toEqual(["r2 s"]);
    expect(openIn(started("s", "r1"), completed("s", null, "r1"), ["x", null, null, "r2"], reopened(0, "r2"))).toEqual(
      [],
    );
  });

  it("are those that a retry undoes, which had begun after what it comes from", () => {
    const lived = [["run.created"], started("s"), completed("s"), ["run.failed"]] as const;
    expect(openIn(...lived, reopened(1))).toEqual(["r s"]);
    expect(openIn(...lived, reopened(2))).toEqual([]);
    expect(openIn(...lived, reopened(4))).toEqual([]);
    // One retry of several is enough.
    expect(openIn(...lived, reopened(4), ["run.failed"], reopened(1))).toEqual(["r s"]);
    expect(openIn(...lived, reopened(1), ["run.failed"], reopened(6))).toEqual(["r s"]);
  });

  it("are not those that have completed since they were undone", () => {
    const lived = [["run.created"], started("s"), completed("s"), ["run.failed"], reopened(1)] as const;
    expect(openIn(...lived, started("s"), completed("s"))).toEqual([]);
    expect(openIn(...lived, started("s"), completed("s"), ["run.failed"], reopened(6))).toEqual([]);
    expect(openIn(...lived, started("s"), completed("s"), ["run.failed"], reopened(5))).toEqual(["r s"]);
  });

  it("are told by the scope's own end where its beginning is not known", () => {
    const events = rows(["run.created"], completed("s"), reopened(1));
    expect(new OpenScopes(events).among(events)).toEqual([]);
    const within = rows(["x"], started("s/t"), completed("s/t"));
    const retried = rows(["x"], ["x"], ["x"], ["x"], reopened(1));
    expect(new OpenScopes(retried).among(within)).toEqual([["r", "s/t"]]);
    expect(new OpenScopes([]).among(within)).toEqual([]);
  });

  it("pass over a retry that is damaged: whoever folds the events tells of it", () => {
    const lived = [["run.created"], started("s"), completed("s")] as const;
    for (const data of [null, "{", "null", "[]", '{"from":"1"}']) {
      expect(openIn(...lived, ["run.reopened", null, data])).toEqual([]);
    }
  });
});
