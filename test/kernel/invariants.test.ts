import { describe, expect, it } from "vitest";
import { FORMAT_VERSION, type RunEvent } from "../../src/kernel/events.ts";
import { INVARIANTS, violations } from "../../src/kernel/invariants.ts";
import { historyOf, type Told } from "./history.ts";

/** A history that has something of everything and keeps every rule. */
const WHOLE: readonly Told[] = [
  ["run.created"],
  ["run.claimed", null, { worker: "w1" }, { epoch: 1 }],
  ["attempt.started", "charge", {}, { attempt: 1 }],
  ["attempt.failed", "charge", undefined, { attempt: 1 }],
  ["timer.armed", "nap", { dueAt: 5 }],
  ["run.claimed", null, { worker: "w2" }, { epoch: 2 }],
  ["attempt.started", "charge", {}, { attempt: 2 }],
  ["step.completed", "charge", undefined, { attempt: 2 }],
  ["attempt.late", "charge", {}, { attempt: 1 }],
  ["timer.fired", "nap"],
  ["scope.started", "order", undefined, { scope: "" }],
  ["attempt.started", "order/pack", {}, { attempt: 1, scope: "order" }],
  ["attempt.interrupted", "order/pack", undefined, { attempt: 1, scope: "order" }],
  ["attempt.started", "order/pack", {}, { attempt: 2, scope: "order" }],
  ["step.failed", "order/pack", undefined, { attempt: 2, scope: "order" }],
  ["scope.failed", "order", undefined, { scope: "" }],
  ["cancel.requested"],
  ["run.cancelled"],
  ["attempt.late", "order/pack", {}, { attempt: 1, scope: "order" }],
  ["run.reopened", null, { from: 15 }, { epoch: 3 }],
  ["run.claimed", null, { worker: "w3" }, { epoch: 4 }],
  ["attempt.started", "order/pack", {}, { attempt: 3, scope: "order" }],
  ["step.completed", "order/pack", undefined, { attempt: 3, scope: "order" }],
  ["scope.completed", "order", undefined, { scope: "" }],
  ["signal.received", null, { name: "go", payload: { value: 1 } }],
  ["wait.started", "go", { signal: "go" }],
  ["wait.completed", "go", { seq: 25 }],
  ["child.started", "ship"],
  ["run.paused"],
  ["run.resumed"],
  ["child.completed", "ship"],
  ["start.completed", "remind"],
  ["kv.requested", "count"],
  ["kv.answered", "count"],
  ["lock.requested", "door.lock"],
  ["breaker.changed", "pay"],
  ["lock.acquired", "door.lock"],
  ["scope.started", "door", { lock: "door.lock" }, { scope: "" }],
  ["lock.released", "door.lock"],
  ["scope.completed", "door", undefined, { scope: "" }],
  ["step.completed", "pay", { value: 1, cached: true }],
  ["lock.requested", "gate.lock"],
  ["lock.expired", "gate.lock"],
  ["lock.requested", "bridge.lock"],
  ["cancel.requested"],
  ["lock.released", "bridge.lock"],
  ["scope.started", "tidy", { shielded: true }, { scope: "" }],
  ["attempt.started", "tidy/up", {}, { attempt: 1, scope: "tidy" }],
  ["step.completed", "tidy/up", undefined, { attempt: 1, scope: "tidy" }],
  ["scope.completed", "tidy", undefined, { scope: "" }],
  ["run.cancelled"],
];

/** `WHOLE` with its event at `seq` replaced. */
function withEvent(seq: number, change: (event: RunEvent) => object): RunEvent[] {
  return historyOf(WHOLE).map((event) => (event.seq === seq ? ({ ...event, ...change(event) } as RunEvent) : event));
}

/** For each rule a history that breaks exactly it, and where. */
const BREACHES: Readonly<Record<string, { readonly history: readonly RunEvent[]; readonly place: string }>> = {
  "seq-is-dense": {
    history: historyOf(WHOLE).filter((event) => event.seq !== 9),
    place: "seq 10 (timer.fired nap)",
  },
  "one-run": { history: withEvent(10, () => ({ runId: "run_2" })), place: "seq 10 (timer.fired nap)" },
  "created-first": {
    history: historyOf([["run.claimed"], ["run.completed"]]),
    place: "seq 1 (run.claimed)",
  },
  "position-grows": { history: withEvent(10, () => ({ position: 9 })), place: "seq 10 (timer.fired nap)" },
  "epoch-never-falls": {
    history: historyOf([
      ["run.created", null, undefined, { epoch: 2 }],
      ["run.claimed", null, undefined, { epoch: 1 }],
    ]),
    place: "seq 2 (run.claimed)",
  },
  "at-never-falls": { history: withEvent(9, () => ({ at: 7 })), place: "seq 9 (attempt.late charge)" },
  "format-known": {
    history: withEvent(17, () => ({ v: FORMAT_VERSION + 1 })),
    place: "seq 17 (cancel.requested)",
  },
  "terminal-is-last": {
    history: historyOf([["run.created"], ["run.completed"], ["run.failed"]]),
    place: "seq 3 (run.failed)",
  },
  "claim-opens-epoch": {
    history: historyOf([["run.created"], ["cancel.requested", null, undefined, { epoch: 1 }]]),
    place: "seq 2 (cancel.requested)",
  },
  "one-conclusion": {
    history: historyOf([
      ["run.created"],
      ["attempt.started", "a", {}, { attempt: 1 }],
      ["step.completed", "a"],
      ["step.completed", "a"],
    ]),
    place: "seq 4 (step.completed a)",
  },
  "attempts-count-up": {
    history: historyOf([
      ["run.created"],
      ["attempt.started", "a", {}, { attempt: 1 }],
      ["attempt.started", "a", {}, { attempt: 2 }],
    ]),
    place: "seq 3 (attempt.started a)",
  },
  "completion-was-attempted": {
    history: historyOf([["run.created"], ["step.completed", "a"]]),
    place: "seq 2 (step.completed a)",
  },
  "timer-not-early": {
    history: historyOf([["run.created"], ["timer.armed", "t", { dueAt: 4 }], ["timer.fired", "t"]]),
    place: "seq 3 (timer.fired t)",
  },
  "scope-is-open": {
    history: historyOf([
      ["run.created"],
      ["scope.started", "o", undefined, { scope: "" }],
      ["scope.completed", "o", undefined, { scope: "" }],
      ["timer.armed", "o/t", undefined, { scope: "o" }],
    ]),
    place: "seq 4 (timer.armed o/t)",
  },
  "signal-taken-once": {
    history: historyOf([
      ["run.created"],
      ["signal.received", null, { name: "go", payload: { value: 1 } }],
      ["wait.completed", "a", { seq: 2 }],
      ["wait.completed", "b", { seq: 2 }],
    ]),
    place: "seq 4 (wait.completed b)",
  },
  "lock-place-ends-once": {
    history: historyOf([["run.created"], ["lock.requested", "l"], ["lock.expired", "l"], ["lock.released", "l"]]),
    place: "seq 4 (lock.released l)",
  },
  "lock-covers-its-scope": {
    history: historyOf([
      ["run.created"],
      ["lock.requested", "l"],
      ["lock.acquired", "l"],
      ["scope.started", "s", { lock: "l" }, { scope: "" }],
      ["scope.completed", "s", undefined, { scope: "" }],
    ]),
    place: "seq 5 (scope.completed s)",
  },
  "cancel-is-obeyed": {
    history: historyOf([["run.created"], ["cancel.requested"], ["attempt.started", "a", {}, { attempt: 1 }]]),
    place: "seq 3 (attempt.started a)",
  },
  "pause-is-obeyed": {
    history: historyOf([["run.created"], ["run.paused"], ["attempt.started", "a", {}, { attempt: 1 }]]),
    place: "seq 3 (attempt.started a)",
  },
};

describe("the invariants", () => {
  it("hold for a well-formed history and for each of its beginnings", () => {
    const history = historyOf(WHOLE);
    for (let length = 0; length <= history.length; length++) {
      expect(violations(history.slice(0, length))).toEqual([]);
    }
  });

  const wellFormed: [string, Told[]][] = [
    [
      "a run that its first claim made",
      [
        ["run.created", null, undefined, { epoch: 1 }],
        ["attempt.started", "a", {}, { attempt: 1 }],
      ],
    ],
    [
      "events of one instant",
      [
        ["run.created"],
        ["attempt.started", "a", {}, { attempt: 1, at: 1 }],
        ["step.completed", "a", undefined, { at: 1 }],
      ],
    ],
    ["events that are not stored yet", [["run.created"], ["timer.armed", "t", undefined, { position: 0 }]]],
    [
      "a timer that fires at the instant it is due",
      [["run.created"], ["timer.armed", "t", { dueAt: 3 }], ["timer.fired", "t"]],
    ],
    [
      "a timer whose key another call has used",
      [
        ["run.created"],
        ["timer.armed", "t", { dueAt: 3 }],
        ["attempt.started", "t", {}, { attempt: 1 }],
        ["timer.fired", "t"],
      ],
    ],
  ];

  it.each(wellFormed)("hold for %s", (_, told) => {
    expect(violations(historyOf(told))).toEqual([]);
  });

  it.each(INVARIANTS.map(({ name, rule }) => ({ name, rule })))("$name: $rule", ({ name, rule }) => {
    const breach = BREACHES[name];
    expect(breach).toBeDefined();
    expect(violations(breach!.history)).toEqual([{ invariant: name, rule, place: breach!.place }]);
  });

  it("have a name each and no more breaches than rules", () => {
    const names = INVARIANTS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(BREACHES)).toEqual(names);
  });
});

describe("further breaches", () => {
  const breaks = (...told: Told[]) => violations(historyOf(told)).map(({ invariant }) => invariant);
  const started = (attempt: number): Told => ["attempt.started", "a", {}, { attempt }];

  it("an attempt that leaves a number out", () => {
    expect(breaks(["run.created"], started(1), ["attempt.failed", "a"], started(3))).toEqual(["attempts-count-up"]);
  });

  it("a second attempt as the first", () => {
    expect(breaks(["run.created"], started(2))).toEqual(["attempts-count-up"]);
  });

  it("an attempt after the step's completion", () => {
    expect(breaks(["run.created"], started(1), ["step.completed", "a"], started(2))).toEqual(["one-conclusion"]);
  });

  it("a late outcome of an attempt that never was", () => {
    expect(breaks(["run.created"], ["attempt.late", "a", {}, { attempt: 1 }])).toEqual(["attempts-count-up"]);
  });

  it("no change of a breaker before an attempt, also where a scope is made again, nor in one", () => {
    const place = { scope: "o", attempt: 1 } as const;
    const changed: Told = ["breaker.changed", "o/a", { name: "b", from: "closed", to: "open" }, place];
    const round: Told[] = [
      ["scope.started", "o", undefined, { scope: "" }],
      changed,
      ["attempt.started", "o/a", {}, place],
      changed,
      ["attempt.failed", "o/a", undefined, place],
    ];
    const over: Told[] = [
      ["scope.failed", "o", undefined, { scope: "" }],
      ["run.failed", null, undefined, { scope: "" }],
    ];
    const reopened: Told = ["run.reopened", null, { from: 2 }, { epoch: 3, scope: "" }];
    expect(breaks(["run.created"], ...round)).toEqual([]);
    const anew = round.map(([type, key, data, row]) => [type, key, data, { ...row, epoch: 3 }] as Told);
    expect(breaks(["run.created"], ...round, ...over, reopened, ...anew)).toEqual([]);
  });

  it("a timer that fires unarmed, and one that fires twice", () => {
    expect(breaks(["run.created"], ["timer.fired", "t"])).toEqual(["timer-not-early"]);
    const twice = breaks(["run.created"], ["timer.armed", "t"], ["timer.fired", "t"], ["timer.fired", "t"]);
    expect(twice).toEqual(["one-conclusion", "timer-not-early"]);
  });

  it("an event in a scope that was never opened", () => {
    expect(breaks(["run.created"], ["timer.armed", "o/t", undefined, { scope: "o" }])).toEqual(["scope-is-open"]);
  });

  it("an event in what is no scope, or in one that has concluded", () => {
    const within: Told = ["timer.armed", "a/t", undefined, { scope: "a" }];
    expect(breaks(["run.created"], started(1), within)).toEqual(["scope-is-open"]);
    for (const end of ["scope.completed", "scope.failed"] as const) {
      expect(breaks(["run.created"], ["scope.started", "a"], within, [end, "a"])).toEqual([]);
      expect(breaks(["run.created"], ["scope.started", "a"], [end, "a"], within)).toEqual(["scope-is-open"]);
    }
  });

  it("a step that completes after an attempt that never began", () => {
    expect(breaks(["run.created"], ["attempt.failed", "a"], ["step.completed", "a"])).toEqual([
      "completion-was-attempted",
    ]);
  });

  it("a history that begins with its end, or with a cancel", () => {
    expect(breaks(["run.completed"], ["run.failed"])).toEqual(["created-first", "terminal-is-last"]);
    expect(breaks(["cancel.requested"], started(1))).toEqual(["created-first", "cancel-is-obeyed"]);
  });

  it("a lock that is acquired or released by nobody who asked for it, or asked for twice at once", () => {
    for (const told of [
      ["lock.acquired", "l"],
      ["lock.expired", "l"],
      ["lock.released", "l"],
    ] as const) {
      expect(breaks(["run.created"], told)).toEqual(["lock-place-ends-once"]);
    }
    expect(breaks(["run.created"], ["lock.requested", "l"], ["lock.requested", "l"])).toEqual(["lock-place-ends-once"]);
  });

  it("a scope that begins under a lock that is not held", () => {
    const scope: Told = ["scope.started", "s", { lock: "l" }, { scope: "" }];
    expect(breaks(["run.created"], ["lock.requested", "l"], scope)).toEqual(["lock-covers-its-scope"]);
  });

  it("a lock or a change of what runs share that is asked for after a cancel", () => {
    for (const type of ["lock.requested", "kv.requested"] as const) {
      expect(breaks(["run.created"], ["cancel.requested"], [type, "a"])).toEqual(["cancel-is-obeyed"]);
    }
  });

  it("a second creation", () => {
    expect(breaks(["run.created"], ["run.created"])).toEqual(["created-first"]);
  });

  it("a version before the first", () => {
    const [created] = historyOf([["run.created"]]);
    expect(violations([{ ...created, v: 0 } as RunEvent]).map(({ invariant }) => invariant)).toEqual(["format-known"]);
  });
});
