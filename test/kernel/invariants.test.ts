import { describe, expect, it } from "vitest";
import { FORMAT_VERSION, type RunEvent } from "../../src/kernel/events.ts";
import { INVARIANTS, violations, withoutValues } from "../../src/kernel/invariants.ts";
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
    [
      "a lock whose key another call has used",
      [["run.created"], ["timer.armed", "l"], ["lock.requested", "l"], ["timer.armed", "l"], ["lock.acquired", "l"]],
    ],
    [
      "a run that goes on after a pause",
      [["run.created"], ["run.paused"], ["run.resumed"], ["attempt.started", "a", {}, { attempt: 1 }]],
    ],
    [
      "a pause that a cancel ends, for what is shielded, however deep",
      [
        ["run.created"],
        ["run.paused"],
        ["cancel.requested"],
        ["scope.started", "s", { shielded: true }, { scope: "" }],
        ["scope.started", "s/i", undefined, { scope: "s" }],
        ["attempt.started", "s/i/a", {}, { attempt: 1, scope: "s/i" }],
      ],
    ],
    [
      "a pause that a reopening ends",
      [
        ["run.created"],
        ["run.paused"],
        ["run.failed"],
        ["run.reopened", null, { from: 1 }, { epoch: 1 }],
        ["attempt.started", "a", {}, { attempt: 1 }],
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

  it("an attempt that counts anew though nothing was reopened", () => {
    expect(breaks(["run.created"], started(1), ["attempt.failed", "a"], started(1))).toEqual(["attempts-count-up"]);
  });

  it("an attempt that begins while the one before it is under way, whatever a breaker says meanwhile", () => {
    const changed: Told = ["breaker.changed", "a"];
    expect(breaks(["run.created"], started(1), changed, started(2))).toEqual(["attempts-count-up"]);
    expect(breaks(["run.created"], started(1), ["attempt.failed", "a"], changed, started(2))).toEqual([]);
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
    const again = (type: string) => (type === "scope.started" ? {} : { attempt: 2 });
    expect(breaks(["run.created"], ...round)).toEqual([]);
    const anew = round.map(([type, key, data, row]) => [type, key, data, { ...row, epoch: 3, ...again(type) }] as Told);
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

  it("a scope under a lock that fails without giving it back", () => {
    const told: Told[] = [
      ["lock.requested", "l"],
      ["lock.acquired", "l"],
      ["scope.started", "s", { lock: "l" }],
    ];
    expect(breaks(["run.created"], ...told, ["scope.failed", "s"])).toEqual(["lock-covers-its-scope"]);
  });

  it("a wait that takes a signal of another name, or what is no signal", () => {
    const wait: Told = ["wait.started", "w", { signal: "go" }];
    const taken: Told = ["wait.completed", "w", { seq: 2 }];
    const received = (name: string): Told => ["signal.received", null, { name, payload: { value: 1 } }];
    expect(breaks(["run.created"], received("go"), wait, taken)).toEqual([]);
    expect(breaks(["run.created"], received("stop"), wait, taken)).toEqual(["signal-taken-once"]);
    const lock: Told = ["lock.requested", "l", { name: "go", slots: 1 }];
    expect(breaks(["run.created"], lock, wait, taken)).toEqual(["signal-taken-once"]);
  });

  it("an attempt after a cancel in a scope that nothing shields", () => {
    const scope: Told = ["scope.started", "s", undefined, { scope: "" }];
    const within: Told = ["attempt.started", "s/a", {}, { attempt: 1, scope: "s" }];
    expect(breaks(["run.created"], scope, ["cancel.requested"], within)).toEqual(["cancel-is-obeyed"]);
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

describe("a reopening", () => {
  const breaks = (...told: Told[]) => violations(historyOf(told)).map(({ invariant }) => invariant);
  const started = (key: string, attempt: number): Told => ["attempt.started", key, {}, { attempt }];
  const ended = (type: "step.completed" | "step.failed", key: string): Told => [type, key];
  /** The run fails, and goes on from the outcome at `from`. */
  const reopened = (from: number, epoch = 1): Told[] => [["run.failed"], ["run.reopened", null, { from }, { epoch }]];

  it("lets a call conclude again from which the run goes on, and one that failed later", () => {
    const calls = [started("a", 1), started("b", 1), ended("step.completed", "a"), ended("step.failed", "b")];
    const again = [started("a", 2), ended("step.completed", "a"), started("b", 2), ended("step.completed", "b")];
    expect(breaks(["run.created"], ...calls, ...reopened(4), ...again)).toEqual([]);
  });

  it("lets no call conclude again that concluded before, or that was made before and completed", () => {
    const again = (key: string, at: number) =>
      breaks(
        ["run.created"],
        started("completed", 1),
        ended("step.completed", "completed"),
        started("caught", 1),
        ended("step.failed", "caught"),
        started("beside", 1),
        ended("step.failed", "last"),
        ended("step.completed", "beside"),
        ...reopened(7),
        started(key, at),
      );
    expect(again("last", 1)).toEqual([]);
    for (const key of ["completed", "caught", "beside"]) expect(again(key, 2)).toEqual(["one-conclusion"]);
  });

  it("at the start of a scope leaves the scope as it was", () => {
    const scope: Told = ["scope.started", "s", undefined, { scope: "" }];
    const end: Told = ["scope.completed", "s", undefined, { scope: "" }];
    expect(breaks(["run.created"], scope, end, ...reopened(2), scope)).toEqual(["one-conclusion"]);
    expect(breaks(["run.created"], ["wait.expired", "w"], scope, end, ...reopened(2), scope)).toEqual([]);
  });

  it("lets attempts count on, and nothing else", () => {
    const calls: Told[] = [["run.created"], started("a", 1), ["attempt.failed", "a"], started("a", 2)];
    const failed = [...calls, ended("step.failed", "a"), ...reopened(5)];
    expect(breaks(...failed, started("a", 3))).toEqual([]);
    for (const attempt of [1, 2, 4]) expect(breaks(...failed, started("a", attempt))).toEqual(["attempts-count-up"]);
  });

  it("makes again what a later one comes before, and nothing that was made again before that one", () => {
    const calls: Told[] = [["run.created"], ["wait.expired", "w"], started("a", 1), ended("step.completed", "a")];
    const twice = [...calls, ...reopened(2), ["wait.expired", "w"] as Told, ...reopened(7, 2)];
    expect(breaks(...twice, started("a", 2))).toEqual([]);
    const after: Told[] = [["wait.expired", "w"], started("a", 2), ended("step.completed", "a")];
    expect(breaks(...calls, ...reopened(2), ...after, ...reopened(7, 2), started("a", 3))).toEqual([]);
    const retried: Told[] = [started("a", 2), ended("step.completed", "a"), ["wait.expired", "w"]];
    const between = [...calls, ...reopened(2), ...retried, ...reopened(9, 2)];
    expect(breaks(...between, ["wait.expired", "w"])).toEqual([]);
    expect(breaks(...between, started("a", 3))).toEqual(["one-conclusion"]);
  });

  it("knows a call by when it was made last: an attempt of it that was under way is void with it", () => {
    const calls: Told[] = [["run.created"], ["wait.expired", "w"], started("a", 1), ...reopened(2)];
    const again: Told[] = [["wait.expired", "w"], started("a", 2), ...reopened(6, 2)];
    expect(breaks(...calls, ...again, started("a", 3))).toEqual([]);
    expect(breaks(...calls, ...again, started("a", 2))).toEqual(["attempts-count-up"]);
  });

  it("lets a call be made again any number of times, and its attempts count on", () => {
    const calls: Told[] = [["run.created"], started("a", 1), ended("step.failed", "a"), ...reopened(3)];
    const again: Told[] = [["wait.expired", "w"], started("a", 2), ended("step.completed", "a"), ...reopened(6, 2)];
    expect(breaks(...calls, ...again, started("a", 3), ended("step.completed", "a"))).toEqual([]);
    expect(breaks(...calls, ...again, started("a", 1))).toEqual(["attempts-count-up"]);
    const cached: Told = ["step.completed", "a", { value: 1, cached: true }];
    const made: Told[] = [["wait.expired", "w"], started("a", 1), ended("step.completed", "a"), ...reopened(5, 2)];
    expect(breaks(["run.created"], cached, ...reopened(2), ...made, started("a", 2))).toEqual([]);
    expect(breaks(["run.created"], cached, ...reopened(2), ...made, started("a", 1))).toEqual(["attempts-count-up"]);
  });

  it("opens a scope again that failed from there on, and no other", () => {
    const scope: Told[] = [["run.created"], ["scope.started", "s", undefined, { scope: "" }]];
    const within: Told = ["timer.armed", "s/t", undefined, { scope: "s" }];
    const failed: Told[] = [...scope, ["scope.failed", "s", undefined, { scope: "" }]];
    expect(breaks(...failed, ...reopened(3), within)).toEqual([]);
    expect(breaks(...failed, ended("step.failed", "a"), ...reopened(4), within)).toEqual(["scope-is-open"]);
    const completed: Told[] = [...scope, ["scope.completed", "s", undefined, { scope: "" }]];
    expect(breaks(...completed, ...reopened(2), within)).toEqual(["scope-is-open"]);
  });

  it("opens a scope again that a cancel had ended from there on", () => {
    const scope: Told[] = [["run.created"], started("a", 1), ["scope.started", "s", undefined, { scope: "" }]];
    const ended: Told = ["scope.completed", "s", { value: null, cancelled: true }, { scope: "" }];
    const within: Told = ["timer.armed", "s/t", undefined, { scope: "s" }];
    const history = [...scope, ended, ...reopened(3), within, ended];
    expect(breaks(...history)).toEqual([]);
    expect(violations(historyOf(history).map(withoutValues))).toEqual([]);
    expect(breaks(...scope, ended, ["step.failed", "a"], ...reopened(5), within)).toEqual(["scope-is-open"]);
    expect(breaks(...scope, ended, ["step.failed", "a"], ...reopened(5), ended)).toEqual(["one-conclusion"]);
  });

  it("gives back the signals that were taken from there on, and no other", () => {
    const taken: Told[] = [
      ["run.created"],
      ["signal.received"],
      ["wait.started", "a"],
      ["wait.completed", "a", { seq: 2 }],
    ];
    const again: Told = ["wait.completed", "b", { seq: 2 }];
    expect(breaks(...taken, ...reopened(4), again)).toEqual([]);
    expect(breaks(...taken, ["timer.armed", "t"], ["timer.fired", "t"], ...reopened(6), again)).toEqual([
      "signal-taken-once",
    ]);
  });

  it("has who waited for a lock ask again, and who holds one not", () => {
    const failed = (...before: Told[]): Told[] => [["run.created"], ...before, ended("step.failed", "a")];
    const asked: Told = ["lock.requested", "l"];
    expect(breaks(...failed(asked), ...reopened(3), asked, ["lock.acquired", "l"])).toEqual([]);
    expect(breaks(...failed(asked), ...reopened(3), ["lock.acquired", "l"])).toEqual(["lock-place-ends-once"]);
    const held = failed(asked, ["lock.acquired", "l"]);
    expect(breaks(...held, ...reopened(4), ["lock.released", "l"])).toEqual([]);
    expect(breaks(...held, ...reopened(4), asked)).toContain("lock-place-ends-once");
  });

  it("leaves no lock held", () => {
    const held: Told[] = [["run.created"], ["lock.requested", "l"], ["lock.acquired", "l"]];
    const scope: Told = ["scope.started", "s", { lock: "l" }, { scope: "" }];
    expect(breaks(...held, ...reopened(1), scope)).toEqual(["lock-covers-its-scope"]);
    expect(breaks(...held, ...reopened(1), ["lock.requested", "l"], ["lock.acquired", "l"], scope)).toEqual([]);
  });
});

describe("a history without its users' values", () => {
  it("keeps and breaks the same rules", () => {
    const histories = [historyOf(WHOLE), ...Object.values(BREACHES).map(({ history }) => history)];
    for (const history of histories) expect(violations(history.map(withoutValues))).toEqual(violations(history));
  });

  it("holds none of them", () => {
    const secret = { value: "hush" };
    const history = historyOf([
      ["run.created", null, { workflow: "w", version: "1", input: secret }],
      ["signal.received", null, { name: "go", payload: secret, token: "k" }],
      ["step.completed", "a", { ...secret, cached: true }],
      ["step.completed", "b", secret],
      ["run.completed", null, secret],
    ]);
    const data = history.map(withoutValues).map((event) => event.data);
    expect(data).toEqual([{}, { name: "go" }, { cached: true }, {}, {}]);
  });
});
