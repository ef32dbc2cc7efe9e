import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvariantError } from "../../src/kernel/assert.ts";
import { isVarveError } from "../../src/kernel/errors.ts";
import { EVENT_TYPES, parseEvent, type RunEvent } from "../../src/kernel/events.ts";
import { evolve, newCall } from "../../src/kernel/evolve.ts";
import { isTerminalStatus, RUN_STATUSES, type RunState, wakeAt } from "../../src/kernel/state.ts";
import { given, historyOf, RUN_ID, rowsOf, type Told } from "./history.ts";

const ERROR = { name: "Error", message: "declined" };

describe("a new run", () => {
  it("is what its first event says", () => {
    const state = given([
      "run.created",
      null,
      {
        workflow: "ship",
        version: "2",
        input: { value: 1 },
        idempotencyKey: "k",
        tags: { a: "b" },
        availableAt: 50,
        deadlineAt: 90,
        worker: "w1",
        delivery: { hook: "github", id: "d-1" },
      },
      { epoch: 1, at: 40 },
    ]);
    expect(state).toEqual({
      id: RUN_ID,
      workflow: "ship",
      version: "2",
      input: { value: 1 },
      idempotencyKey: "k",
      tags: { a: "b" },
      createdAt: 40,
      availableAt: 50,
      deadlineAt: 90,
      delivery: { hook: "github", id: "d-1" },
      parent: null,
      head: 1,
      epoch: 1,
      at: 40,
      worker: "w1",
      startedAt: 40,
      endedAt: null,
      scoped: false,
      cancelRequested: false,
      cancelSeq: 0,
      cancelReason: null,
      paused: false,
      result: null,
      signals: null,
      tokens: null,
      trigger: null,
      children: null,
      limits: null,
      locks: null,
      startedRuns: 0,
      calls: new Map(),
    });
  });

  it("that no worker has taken has not started, and is available at once", () => {
    expect(given(["run.created", null, undefined, { at: 7 }])).toMatchObject({
      availableAt: 7,
      worker: null,
      startedAt: null,
      idempotencyKey: null,
      tags: {},
      deadlineAt: null,
      delivery: null,
    });
  });
});

describe("a claim", () => {
  it("names the worker; the first one starts the run", () => {
    const first = given(["run.created"], ["run.claimed", null, { worker: "w1" }, { epoch: 1 }]);
    expect(first).toMatchObject({ worker: "w1", epoch: 1, startedAt: 2 });
    const second = given(
      ["run.created"],
      ["run.claimed", null, { worker: "w1" }, { epoch: 1 }],
      ["run.claimed", null, { worker: "w2" }, { epoch: 2 }],
    );
    expect(second).toMatchObject({ worker: "w2", epoch: 2, startedAt: 2, head: 3, at: 3 });
  });
});

describe("a step", () => {
  const started: Told = ["attempt.started", "charge", undefined, { attempt: 1 }];

  it("is open while its attempt is", () => {
    expect(given(["run.created"], started).calls.get("charge")).toEqual({
      kind: "step",
      key: "charge",
      status: "open",
      firstSeq: 2,
      endSeq: 0,
      attempt: 1,
      attemptOpen: true,
      attemptsForgiven: 0,
      startedAt: 2,
      dueAt: null,
      kept: false,
      wasCancelled: false,
      taken: null,
    });
  });

  it("waits for its next attempt after a failed one", () => {
    const state = given(["run.created"], started, ["attempt.failed", "charge", { error: ERROR, retryAt: 900 }]);
    expect(state.calls.get("charge")).toMatchObject({ status: "open", attemptOpen: false, dueAt: 900 });
    expect(wakeAt(state)).toBe(900);
  });

  it("waits no more once the next attempt has begun, and remembers when the first did", () => {
    const state = given(
      ["run.created"],
      started,
      ["attempt.failed", "charge", { error: ERROR, retryAt: 3 }],
      ["attempt.started", "charge", undefined, { attempt: 2 }],
    );
    expect(state.calls.get("charge")).toMatchObject({ attempt: 2, attemptOpen: true, dueAt: null, startedAt: 2 });
    expect(wakeAt(state)).toBeNull();
  });

  it("is at the attempt that its event names, or at the next one", () => {
    const named = given(["run.created"], ["attempt.started", "charge", undefined, { attempt: 3 }]);
    expect(named.calls.get("charge")?.attempt).toBe(3);
    const unnamed = given(["run.created"], started, ["attempt.started", "charge"]);
    expect(unnamed.calls.get("charge")?.attempt).toBe(2);
  });

  it("is due again at once after an interrupted attempt, which counts only if its worker was lost", () => {
    const stopped = given(["run.created"], started, ["attempt.interrupted", "charge", { reason: "stopped" }]);
    expect(stopped.calls.get("charge")).toMatchObject({ attemptOpen: false, attemptsForgiven: 1, dueAt: 3 });
    const lost = given(["run.created"], started, ["attempt.interrupted", "charge", { reason: "lost" }]);
    expect(lost.calls.get("charge")).toMatchObject({ attemptOpen: false, attemptsForgiven: 0, dueAt: 3 });
  });

  it("concludes", () => {
    const completed = given(["run.created"], started, ["step.completed", "charge", { value: 1 }]);
    expect(completed.calls.get("charge")).toMatchObject({ status: "completed", attemptOpen: false, dueAt: null });
    const failed = given(["run.created"], started, ["step.failed", "charge", { error: ERROR }]);
    expect(failed.calls.get("charge")).toMatchObject({ status: "failed", attemptOpen: false, dueAt: null });
  });

  it("is not changed by a late outcome", () => {
    const before: Told[] = [["run.created"], started, ["step.failed", "charge", { error: ERROR }]];
    const after = given(...before, ["attempt.late", "charge", { value: { value: 1 } }]);
    expect(after.calls).toEqual(given(...before).calls);
    expect(after.head).toBe(4);
  });
});

describe("a timer", () => {
  it("is due at its instant and completes when it fires", () => {
    const armed = given(["run.created"], ["timer.armed", "nap", { dueAt: 500 }]);
    expect(armed.calls.get("nap")).toMatchObject({ kind: "timer", status: "open", dueAt: 500 });
    expect(wakeAt(armed)).toBe(500);
    const fired = given(["run.created"], ["timer.armed", "nap", { dueAt: 2 }], ["timer.fired", "nap"]);
    expect(fired.calls.get("nap")).toMatchObject({ status: "completed", dueAt: null });
  });
});

describe("a scope", () => {
  it("makes the run a scoped one and concludes", () => {
    expect(given(["run.created"]).scoped).toBe(false);
    const open = given(["run.created"], ["scope.started", "order"]);
    expect(open.scoped).toBe(true);
    expect(open.calls.get("order")).toMatchObject({ kind: "scope", status: "open", startedAt: 2 });
    const done = given(["run.created"], ["scope.started", "order"], ["scope.completed", "order"]);
    expect(done.calls.get("order")).toMatchObject({ status: "completed" });
    const failed = given(["run.created"], ["scope.started", "order"], ["scope.failed", "order"]);
    expect(failed.calls.get("order")).toMatchObject({ status: "failed" });
  });

  it("that holds compensations is kept when it completes, and no other", () => {
    const completed = (data?: { value: null; kept: true }) =>
      given(["run.created"], ["scope.started", "order"], ["scope.completed", "order", data]).calls.get("order");
    expect(completed({ value: null, kept: true })).toMatchObject({ status: "completed", kept: true });
    expect(completed()).toMatchObject({ status: "completed", kept: false });
  });

  it("is one also under a lock that the log does not know", () => {
    const state = given(["run.created"], ["scope.started", "door", { lock: "door.lock" }]);
    expect(state.calls.get("door")).toMatchObject({ kind: "scope", status: "open" });
    expect(state.locks).toBeNull();
  });
});

describe("the end of a run", () => {
  it("is its result", () => {
    expect(given(["run.created"], ["run.completed", null, { value: 5 }])).toMatchObject({
      result: { status: "completed", output: { value: 5 } },
      endedAt: 2,
    });
    expect(given(["run.created"], ["run.failed", null, { error: ERROR }])).toMatchObject({
      result: { status: "failed", error: ERROR },
      endedAt: 2,
    });
    expect(given(["run.created"], ["run.cancelled", null, { reason: "late" }])).toMatchObject({
      result: { status: "cancelled", reason: "late" },
      endedAt: 2,
    });
    expect(given(["run.created"], ["run.cancelled"]).result).toEqual({ status: "cancelled", reason: null });
  });

  it("is asked for by a cancel", () => {
    const state = given(["run.created"], ["cancel.requested", null, { reason: "too dear" }]);
    expect(state).toMatchObject({ cancelRequested: true, cancelReason: "too dear", result: null });
  });
});

describe("what wakes a run", () => {
  it("is the earliest of its deadline, its timers and its retries that are open", () => {
    const deadline: Told = [
      "run.created",
      null,
      { workflow: "w", version: "1", input: { value: null }, deadlineAt: 700 },
    ];
    expect(wakeAt(given(deadline))).toBe(700);
    expect(wakeAt(given(deadline, ["timer.armed", "a", { dueAt: 800 }]))).toBe(700);
    const nearer: Told = ["timer.armed", "b", { dueAt: 600 }];
    expect(wakeAt(given(deadline, nearer))).toBe(600);
    expect(wakeAt(given(deadline, nearer, ["timer.fired", "b"]))).toBe(700);
    expect(wakeAt(given(deadline, ["attempt.started", "c", undefined, { attempt: 1 }]))).toBe(700);
    expect(wakeAt(given(["run.created"]))).toBeNull();
  });

  it("is the earliest of many, in whatever order they were armed", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 }), (dueAts) => {
        const timers = dueAts.map((dueAt, i): Told => ["timer.armed", `t${i}`, { dueAt }]);
        expect(wakeAt(given(["run.created"], ...timers))).toBe(Math.min(...dueAts));
      }),
    );
  });

  it("is nothing that a concluded scope left open, however deep", () => {
    const within: Told[] = [
      ["run.created"],
      ["scope.started", "o"],
      ["scope.started", "o/i", undefined, { scope: "o" }],
      ["timer.armed", "o/i/t", { dueAt: 500 }, { scope: "o/i" }],
      ["attempt.failed", "o/s", { error: ERROR, retryAt: 600 }, { scope: "o" }],
      ["timer.armed", "t", { dueAt: 700 }],
    ];
    const inner: Told = ["scope.completed", "o/i", undefined, { scope: "o" }];
    expect(wakeAt(given(...within))).toBe(500);
    expect(wakeAt(given(...within, inner))).toBe(600);
    expect(wakeAt(given(...within, ["scope.failed", "o"]))).toBe(700);
    expect(wakeAt(given(...within, inner, ["scope.completed", "o"]))).toBe(700);
  });

  it("is nothing within a scope of which the log does not know", () => {
    expect(wakeAt(given(["run.created"], ["timer.armed", "o/t", { dueAt: 500 }, { scope: "o" }]))).toBeNull();
  });
});

describe("an event that cannot follow is refused with its place", () => {
  const cases: [string, Told[], RegExp][] = [
    [
      "anything before run.created",
      [["run.claimed"]],
      /run\.created as the first event, but found run\.claimed at seq 1/,
    ],
    [
      "a second run.created",
      [["run.created"], ["run.created"]],
      /only as the first event, but found run\.created at seq 2/,
    ],
    ["a seq again", [["run.created"], ["run.claimed", null, undefined, { seq: 1 }]], /an event after seq 1/],
    [
      "a key that is another kind of call",
      [["run.created"], ["timer.armed", "x"], ["step.completed", "x"]],
      /an event of a timer under the key "x", but found step\.completed at seq 3 of run run_1/,
    ],
  ];

  it.each(cases)("%s", (_, told, message) => {
    let thrown: unknown;
    try {
      given(...told);
    } catch (error) {
      thrown = error;
    }
    expect(isVarveError(thrown, "HISTORY_INVALID")).toBe(true);
    expect(thrown).toMatchObject({
      name: "StoreError",
      facts: { runId: RUN_ID, seq: told.at(-1)?.[3]?.seq ?? told.length },
    });
    expect((thrown as Error).message).toMatch(message);
  });

  it("a type that the fold does not know, which is a bug of ours", () => {
    const [created, odd] = historyOf([["run.created"], ["run.claimed"]]) as [RunEvent, RunEvent];
    const fold = () => evolve(evolve(null, created), { ...odd, type: "run.levitated" } as unknown as RunEvent);
    expect(fold).toThrow(InvariantError);
    expect(fold).toThrow(/event type: .*run\.levitated/);
  });

  it("and no order of events throws anything else", () => {
    const event = fc.tuple(fc.constantFrom(...EVENT_TYPES), fc.constantFrom("a", "b"), fc.integer({ min: 1, max: 9 }));
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), (list) => {
        const told = list.map(([type, key, seq]) => [
          type,
          /^(run|cancel)/.test(type) ? null : key,
          undefined,
          { seq },
        ]);
        try {
          rowsOf(told as unknown as Told[])
            .map(parseEvent)
            .reduce<RunState | null>(evolve, null);
          return true;
        } catch (error) {
          return isVarveError(error, "HISTORY_INVALID");
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("the fold", () => {
  it("of the first events and then of the rest is the fold of all", () => {
    const told: Told[] = [
      ["run.created"],
      ["run.claimed", null, undefined, { epoch: 1 }],
      ["scope.started", "o"],
      ["attempt.started", "o/a", undefined, { attempt: 1, scope: "o" }],
      ["attempt.failed", "o/a", { error: ERROR, retryAt: 9 }, { scope: "o" }],
      ["timer.armed", "t", { dueAt: 9 }],
      ["attempt.started", "o/a", undefined, { attempt: 2, scope: "o" }],
      ["step.completed", "o/a", { value: 1 }, { scope: "o" }],
      ["scope.completed", "o", { value: 2 }],
      ["run.completed"],
    ];
    const events = historyOf(told);
    const fold = (list: readonly RunEvent[], from: RunState | null = null) =>
      list.reduce<RunState | null>(evolve, from);
    for (let cut = 1; cut < events.length; cut++) {
      expect(fold(events.slice(cut), fold(events.slice(0, cut)))).toEqual(fold(events));
    }
  });

  it("changes nothing of its events", () => {
    const events = historyOf([["run.created"], ["timer.armed", "t", { dueAt: 9 }], ["run.cancelled"]]);
    const before = structuredClone(events);
    events.reduce<RunState | null>(evolve, null);
    expect(events).toEqual(before);
  });
});

describe("a status", () => {
  it("is terminal or not", () => {
    expect(RUN_STATUSES.filter(isTerminalStatus)).toEqual(["completed", "failed", "cancelled"]);
  });

  it("of a call that the log does not know is open without an attempt", () => {
    expect(newCall("step", "x")).toMatchObject({ status: "open", attempt: 0, attemptOpen: false, dueAt: null });
  });
});

describe("a signal", () => {
  const received: Told = ["signal.received", null, { name: "go", payload: { value: 1 }, token: "k" }];

  it("is kept until a call takes it", () => {
    const state = given(["run.created"], received);
    expect([...(state.signals?.values() ?? [])]).toEqual([
      { seq: 2, name: "go", payload: { value: 1 }, isTaken: false },
    ]);
    expect(state.tokens).toEqual(new Set(["k"]));
    const taken = given(
      ["run.created"],
      received,
      ["wait.started", "w", { signal: "go" }],
      ["wait.completed", "w", { seq: 2 }],
    );
    expect(taken.signals?.get(2)?.isTaken).toBe(true);
    expect(taken.calls.get("w")).toMatchObject({ kind: "wait", status: "completed", taken: 2, endSeq: 4 });
  });

  it("cannot be taken before it was received", () => {
    expect(() => given(["run.created"], ["wait.completed", "w", { seq: 9 }])).toThrow(
      /a signal that was received before/,
    );
  });

  it("that a wait expired without is awaited no more", () => {
    const state = given(["run.created"], ["wait.started", "w", { signal: "go", dueAt: 70 }]);
    expect(wakeAt(state)).toBe(70);
    const over = given(["run.created"], ["wait.started", "w", { signal: "go", dueAt: 70 }], ["wait.expired", "w"]);
    expect(wakeAt(over)).toBe(null);
    expect(over.calls.get("w")).toMatchObject({ kind: "wait", status: "completed", taken: null });
  });

  it("is awaited no more once the function that judges it has thrown", () => {
    const state = given(["run.created"], ["wait.started", "w", { signal: "go", dueAt: 70 }], ["wait.failed", "w"]);
    expect(state.calls.get("w")).toMatchObject({ kind: "wait", status: "failed", dueAt: null });
  });

  it("without a token leaves none to remember", () => {
    expect(given(["run.created"], ["signal.received"]).tokens).toBeNull();
  });
});

describe("a child", () => {
  const begun: Told = ["child.started", "ship", { runId: "run_2", workflow: "ship", version: "1" }];

  it("is its parent's until it ends", () => {
    const state = given(["run.created"], begun);
    expect(state.children).toEqual(new Map([["ship", { runId: "run_2", isAbandoned: false }]]));
    expect(state.startedRuns).toBe(1);
    for (const end of ["child.completed", "child.failed", "child.cancelled"] as const) {
      const ended = given(["run.created"], begun, [end, "ship"]);
      expect(ended.children).toEqual(new Map());
      expect(ended.calls.get("ship")?.status).toBe(end === "child.completed" ? "completed" : "failed");
    }
  });

  it("says whether it goes on without its parent", () => {
    const data = { runId: "run_2", workflow: "ship", version: "1", abandoned: true } as const;
    expect(given(["run.created"], ["child.started", "ship", data]).children?.get("ship")?.isAbandoned).toBe(true);
  });

  it("has ended also where the log does not know its beginning", () => {
    const state = given(["run.created"], ["child.completed", "ship"]);
    expect(state.calls.get("ship")).toMatchObject({ kind: "child", status: "completed" });
    expect(state.children).toBeNull();
  });
});

describe("a run that is started and not awaited", () => {
  it("is counted, and no child", () => {
    const state = given(["run.created"], ["start.completed", "remind"], ["start.completed", "bill"]);
    expect(state.calls.get("remind")).toMatchObject({ kind: "start", status: "completed", endSeq: 2 });
    expect(state).toMatchObject({ startedRuns: 2, children: null });
  });

  it("is not counted when it could not be started", () => {
    const state = given(["run.created"], ["start.failed", "remind"]);
    expect(state.calls.get("remind")).toMatchObject({ kind: "start", status: "failed", endSeq: 2 });
    expect(state.startedRuns).toBe(0);
  });
});

describe("a message", () => {
  it("is awaited until its time is over, or for ever", () => {
    const awaited = given(["run.created"], ["message.awaited", "m", { topic: "orders", dueAt: 70 }]);
    expect(awaited.calls.get("m")).toMatchObject({ kind: "message", status: "open", dueAt: 70 });
    expect(wakeAt(awaited)).toBe(70);
    expect(wakeAt(given(["run.created"], ["message.awaited", "m", { topic: "orders" }]))).toBeNull();
  });

  it("is awaited no more once it has come, or has not come in time", () => {
    for (const end of ["message.received", "message.expired"] as const) {
      const over = given(["run.created"], ["message.awaited", "m", { topic: "orders", dueAt: 70 }], [end, "m"]);
      expect(over.calls.get("m")).toMatchObject({ kind: "message", status: "completed", endSeq: 3, dueAt: null });
    }
  });
});

describe("a run that is reopened", () => {
  const told = (...rest: Told[]) =>
    given(
      ["run.created"],
      ["attempt.started", "a", undefined, { attempt: 1 }],
      ["attempt.started", "b", undefined, { attempt: 1 }],
      ["step.failed", "a", undefined, { attempt: 1 }],
      ["step.completed", "b", undefined, { attempt: 1 }],
      ["attempt.started", "c", undefined, { attempt: 1 }],
      ["step.completed", "c", undefined, { attempt: 1 }],
      ["run.failed"],
      ["run.reopened", null, { from: 4 }, { epoch: 2 }],
      ...rest,
    );

  it("has what was asked for before, and makes again what failed or came after", () => {
    const state = told();
    expect(state).toMatchObject({ result: null, endedAt: null });
    expect(state.calls.get("b")).toMatchObject({ status: "completed", endSeq: 5 });
    for (const key of ["a", "c"]) {
      expect(state.calls.get(key)).toMatchObject({ status: "void", endSeq: 0, attempt: 1, attemptsForgiven: 1 });
    }
  });

  it("counts attempts on, and takes a void call up when it is made again", () => {
    const state = told(
      ["run.claimed", null, undefined, { epoch: 3 }],
      ["attempt.started", "a", undefined, { attempt: 2 }],
    );
    expect(state.calls.get("a")).toMatchObject({ status: "open", firstSeq: 11, attempt: 2, attemptsForgiven: 1 });
  });

  it("has its signals again that nobody has taken before", () => {
    const state = given(
      ["run.created"],
      ["signal.received", null, { name: "go", payload: { value: 1 } }],
      ["cancel.requested"],
      ["wait.started", "w", { signal: "go" }],
      ["wait.completed", "w", { seq: 2 }],
      ["run.cancelled"],
      ["run.reopened", null, { from: 3 }, { epoch: 1 }],
    );
    expect(state.signals?.get(2)?.isTaken).toBe(false);
    expect(state).toMatchObject({ cancelRequested: false, cancelSeq: 0, cancelReason: null });
  });

  it("waits no more for a child that had not ended: it is started again", () => {
    const state = given(
      ["run.created"],
      ["child.started", "ship", { runId: "run_2", workflow: "ship", version: "1" }],
      ["step.failed", "a", undefined, { attempt: 1 }],
      ["run.failed"],
      ["run.reopened", null, { from: 3 }, { epoch: 1 }],
    );
    expect(state.children).toEqual(new Map());
    expect(state.calls.get("ship")).toMatchObject({ status: "void" });
  });

  it("has lost its place in line for a lock, and asks for it again", () => {
    const state = given(
      ["run.created"],
      ["lock.requested", "held.lock", { name: "till", slots: 1 }],
      ["lock.acquired", "held.lock"],
      ["lock.requested", "door", { name: "door", slots: 1 }],
      ["step.failed", "a", undefined, { attempt: 1 }],
      ["run.failed"],
      ["run.reopened", null, { from: 5 }, { epoch: 1 }],
    );
    expect(state.calls.get("door")).toMatchObject({ kind: "lock", status: "void" });
    expect(state.calls.get("held.lock")).toMatchObject({ status: "completed", endSeq: 3 });
    expect(state.locks?.has("door")).toBe(false);
  });

  it.each([
    ["makes a scope again that a cancel had made what it is", { value: null, cancelled: true }, "open"],
    ["keeps a scope that had completed by itself", { value: null }, "completed"],
  ] as const)("%s", (_, data, status) => {
    const state = given(
      ["run.created"],
      ["scope.started", "s", undefined, { scope: "" }],
      ["attempt.started", "a", undefined, { attempt: 1, scope: "" }],
      ["scope.completed", "s", data, { scope: "" }],
      ["run.failed", null, undefined, { scope: "" }],
      ["run.reopened", null, { from: 3 }, { epoch: 1, scope: "" }],
    );
    expect(state.calls.get("s")).toMatchObject({ status });
  });

  it("goes on in a scope that had failed", () => {
    const state = given(
      ["run.created"],
      ["scope.started", "s", undefined, { scope: "" }],
      ["attempt.started", "s/a", undefined, { attempt: 1, scope: "s" }],
      ["step.failed", "s/a", undefined, { attempt: 1, scope: "s" }],
      ["scope.failed", "s", undefined, { scope: "" }],
      ["run.failed", null, undefined, { scope: "" }],
      ["run.reopened", null, { from: 4 }, { epoch: 1, scope: "" }],
    );
    expect(state.calls.get("s")).toMatchObject({ status: "open", firstSeq: 2, startedAt: 2 });
    expect(state.calls.get("s/a")).toMatchObject({ status: "void" });
  });

  it("keeps what had concluded before, also a failure that its code has caught", () => {
    const state = given(
      ["run.created"],
      ["child.started", "ship"],
      ["child.completed", "ship"],
      ["step.failed", "a", undefined, { attempt: 1 }],
      ["step.failed", "b", undefined, { attempt: 1 }],
      ["run.failed"],
      ["run.reopened", null, { from: 5 }, { epoch: 1 }],
    );
    expect(state.calls.get("ship")).toMatchObject({ status: "completed", endSeq: 3 });
    expect(state.calls.get("a")).toMatchObject({ status: "failed", endSeq: 4 });
    expect(state.calls.get("b")).toMatchObject({ status: "void" });
  });

  it("keeps an attempt that was under way before, and none that began after", () => {
    const state = given(
      ["run.created"],
      ["attempt.started", "a", undefined, { attempt: 1 }],
      ["step.failed", "b", undefined, { attempt: 1 }],
      ["attempt.started", "c", undefined, { attempt: 1 }],
      ["run.failed"],
      ["run.reopened", null, { from: 3 }, { epoch: 1 }],
    );
    expect(state.calls.get("a")).toMatchObject({ status: "open", attempt: 1, attemptOpen: true, startedAt: 2 });
    expect(state.calls.get("c")).toMatchObject({ status: "void", attempt: 1, attemptOpen: false, startedAt: null });
  });

  it("goes on from the start of a scope with the scope that it started", () => {
    const state = given(
      ["run.created"],
      ["scope.started", "s", undefined, { scope: "" }],
      ["step.failed", "s/a", undefined, { attempt: 1, scope: "s" }],
      ["scope.failed", "s", undefined, { scope: "" }],
      ["run.failed", null, undefined, { scope: "" }],
      ["run.reopened", null, { from: 2 }, { epoch: 1, scope: "" }],
    );
    expect(state.calls.get("s")).toMatchObject({ status: "open", firstSeq: 2 });
    expect(state.calls.get("s/a")?.status).toBe("void");
  });

  it("makes a scope again that was kept after it, as if it had never been", () => {
    const state = given(
      ["run.created"],
      ["step.failed", "a", undefined, { attempt: 1 }],
      ["scope.started", "s", undefined, { scope: "" }],
      ["scope.completed", "s", { value: null, kept: true }, { scope: "" }],
      ["run.failed", null, undefined, { scope: "" }],
      ["run.reopened", null, { from: 2 }, { epoch: 1, scope: "" }],
    );
    expect(state.calls.get("s")).toMatchObject({ status: "void", kept: false, wasCancelled: false, startedAt: null });
  });

  it("is paused no more", () => {
    const state = given(
      ["run.created"],
      ["run.paused"],
      ["run.failed"],
      ["run.reopened", null, { from: 2 }, { epoch: 1 }],
    );
    expect(state.paused).toBe(false);
  });
});

describe("a paused run", () => {
  it("is paused until it is resumed or cancelled", () => {
    expect(given(["run.created"], ["run.paused"]).paused).toBe(true);
    expect(given(["run.created"], ["run.paused"], ["run.resumed"]).paused).toBe(false);
    expect(given(["run.created"], ["run.paused"], ["cancel.requested"]).paused).toBe(false);
  });
});

describe("a lock", () => {
  const asked: Told = ["lock.requested", "door.lock", { name: "door", slots: 1, dueAt: 70 }];

  it("is a place in line from its request on, which waits for its time", () => {
    const state = given(["run.created"], asked);
    expect(state.locks).toEqual(new Map([["door.lock", { name: "door", scope: null }]]));
    expect(state.calls.get("door.lock")).toMatchObject({ kind: "lock", status: "open", dueAt: 70 });
    expect(wakeAt(state)).toBe(70);
  });

  it("is held by the scope that begins under it, until its release", () => {
    const held: Told[] = [
      ["run.created"],
      asked,
      ["lock.acquired", "door.lock"],
      ["scope.started", "door", { lock: "door.lock" }, { scope: "" }],
    ];
    const state = given(...held);
    expect(state.locks?.get("door.lock")?.scope).toBe("door");
    expect(state.calls.get("door.lock")).toMatchObject({ status: "completed", dueAt: null });
    expect(given(...held, ["lock.released", "door.lock", {}, { scope: "" }]).locks).toEqual(new Map());
  });

  it("is no place any more once it has expired", () => {
    const state = given(["run.created"], asked, ["lock.expired", "door.lock"]);
    expect(state.locks).toEqual(new Map());
    expect(state.calls.get("door.lock")).toMatchObject({ status: "failed" });
  });

  it("is asked for again when the run goes on from before its grant", () => {
    const state = given(
      ["run.created"],
      asked,
      ["lock.acquired", "door.lock"],
      ["scope.started", "door", { lock: "door.lock" }, { scope: "" }],
      ["run.failed", null, undefined, { scope: "" }],
      ["run.reopened", null, { from: 3 }, { epoch: 1, scope: "" }],
    );
    expect(state.locks).toEqual(new Map());
    expect(state.calls.get("door.lock")?.status).toBe("void");
    expect(state.calls.get("door")?.status).toBe("void");
  });
});

describe("a change of what runs share", () => {
  it("is open from its request on until its answer", () => {
    const asked: Told = ["kv.requested", "k", { action: "set", scope: "global", key: "k" }];
    expect(given(["run.created"], asked).calls.get("k")).toMatchObject({ kind: "kv", status: "open" });
    expect(given(["run.created"], asked, ["kv.answered", "k"]).calls.get("k")?.status).toBe("completed");
    expect(given(["run.created"], asked, ["kv.failed", "k"]).calls.get("k")?.status).toBe("failed");
  });
});

describe("a breaker", () => {
  it("has let a call through, refused it, or heard of it; its changes are no call's state", () => {
    const state = given(
      ["run.created"],
      ["breaker.changed", "a"],
      ["breaker.admitted", "a"],
      ["breaker.refused", "b"],
      ["breaker.changed", "d"],
      ["breaker.reported", "c"],
    );
    const statuses = [...state.calls.values()].map(({ kind, key, status }) => [kind, key, status]);
    expect(statuses).toEqual([
      ["breaker", "a", "completed"],
      ["breaker", "b", "failed"],
      ["breaker", "c", "completed"],
    ]);
  });
});
