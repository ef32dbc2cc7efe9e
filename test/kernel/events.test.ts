import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isVarveError } from "../../src/kernel/errors.ts";
import {
  closesScope,
  dataText,
  EVENT_TYPES,
  type EventRow,
  FORMAT_VERSION,
  isOutcome,
  isRunWide,
  isTerminal,
  parseEvent,
} from "../../src/kernel/events.ts";
import { rowsOf, type Told } from "./history.ts";

const row = (more: Partial<EventRow> = {}): EventRow => ({
  ...(rowsOf([["step.completed", "charge", { value: 42 }]])[0] as EventRow),
  seq: 7,
  position: 99,
  ...more,
});

const KEYED = /^(attempt|step|timer|wait|child|start|scope|kv|lock|message|breaker)\./;

/** A row of each type that holds what it must. */
const ONE_OF_EACH = EVENT_TYPES.map((type) => rowsOf([[type, KEYED.test(type) ? "k" : null] as Told])[0] as EventRow);

describe("a row", () => {
  it.each(ONE_OF_EACH)("of $type is read", (each) => {
    const event = parseEvent(each);
    expect(event).toMatchObject({ type: each.type, seq: 1, key: each.key, data: JSON.parse(each.data ?? "{}") });
    expect(dataText(event.data)).toBe(each.data);
  });

  it("without data has the data {}", () => {
    expect(parseEvent(row({ type: "attempt.started", attempt: 1, data: null })).data).toEqual({});
    expect(dataText({})).toBeNull();
  });

  it("keeps what a later version of the same format added to it", () => {
    expect(parseEvent(row({ data: '{"value":1,"added":true}' })).data).toEqual({ value: 1, added: true });
  });
});

describe("a row is refused with its place", () => {
  const cases: [string, Partial<EventRow>, RegExp][] = [
    ["of an unknown type", { type: "step.levitated" }, /the unknown type "step\.levitated"/],
    ["of a type that objects inherit", { type: "constructor" }, /the unknown type "constructor"/],
    ["of a later version", { v: FORMAT_VERSION + 1 }, /format version 2, but this Varve reads up to 1: upgrade it/],
    ["of a later version and an unknown type", { v: 9, type: "x.y" }, /format version 9/],
    ["of no version", { v: 0 }, /format version 0/],
    ["without the key that its type has", { key: null }, /no key/],
    ["with data that is no JSON", { data: '{"value":' }, /data that is no JSON/],
    ["with a text for data", { data: '"value"' }, /data that is no object/],
    ["with a list for data", { data: "[1]" }, /data that is no object/],
    ["with null for data", { data: "null" }, /data that is no object/],
    ["without a field that its type has", { data: "{}" }, /no value in its data/],
    ["with a field that objects inherit", { type: "run.claimed", data: '{"constructor":1}' }, /no worker in its data/],
    [
      "with a number for a worker",
      { type: "run.claimed", data: '{"worker":5}' },
      /a field worker in its data that is no text/,
    ],
    [
      "with a text for an error",
      { type: "step.failed", data: '{"error":"x"}' },
      /a field error in its data that is no object/,
    ],
    [
      "with null for an error",
      { type: "step.failed", data: '{"error":null}' },
      /a field error in its data that is no object/,
    ],
    [
      "with a text for an instant",
      { type: "timer.armed", data: '{"dueAt":"1"}' },
      /a field dueAt in its data that is no number/,
    ],
    [
      "with a text for an input",
      { type: "run.created", data: '{"workflow":"w","version":"1","input":"x"}' },
      /a field input in its data that is no object/,
    ],
  ];

  it.each(cases)("%s", (_, more, message) => {
    let thrown: unknown;
    try {
      parseEvent(row(more));
    } catch (error) {
      thrown = error;
    }
    expect(isVarveError(thrown, "EVENT_UNREADABLE")).toBe(true);
    expect(thrown).toMatchObject({ name: "StoreError", facts: { runId: "run_1", seq: 7, position: 99 } });
    expect((thrown as Error).message).toMatch(message);
    expect((thrown as Error).message).toContain("expected event 7 of run run_1 (position 99) to be readable");
  });

  it("and with the cause, where its data is no JSON", () => {
    expect(() => parseEvent(row({ data: "{" }))).toThrow(expect.objectContaining({ cause: expect.any(SyntaxError) }));
  });

  it("and never with anything but that error, whatever is in it", () => {
    const any = fc.record({
      type: fc.oneof(fc.constantFrom(...EVENT_TYPES), fc.string()),
      v: fc.integer({ min: -1, max: 3 }),
      key: fc.option(fc.string()),
      data: fc.oneof(fc.json(), fc.string(), fc.constant(null)),
    });
    fc.assert(
      fc.property(any, (more) => {
        try {
          const event = parseEvent(row(more));
          return EVENT_TYPES.includes(event.type) && typeof event.data === "object";
        } catch (error) {
          return isVarveError(error, "EVENT_UNREADABLE");
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a row that concludes a scope", () => {
  const closes = (type: string, data: string | null) => closesScope({ type, data });

  it("closes it when it has completed, unless it is kept", () => {
    expect(closes("scope.completed", '{"value":1}')).toBe(true);
    expect(closes("scope.completed", '{"value":1,"kept":true}')).toBe(false);
    expect(closes("scope.completed", '{"value":{"kept":true}}')).toBe(true);
    expect(closes("scope.completed", '{"value":"\\"kept\\":true"}')).toBe(true);
    expect(closes("scope.completed", '{"kept":true')).toBe(true);
    expect(closes("scope.completed", null)).toBe(true);
    expect(closes("scope.failed", '{"error":{}}')).toBe(false);
    expect(closes("step.completed", null)).toBe(false);
  });
});

describe("a type of event", () => {
  it("is an outcome, the end of the run, or neither", () => {
    expect(EVENT_TYPES.filter(isOutcome)).toEqual([
      "cancel.requested",
      "step.completed",
      "step.failed",
      "timer.fired",
      "wait.completed",
      "wait.expired",
      "wait.failed",
      "child.completed",
      "child.failed",
      "child.cancelled",
      "start.completed",
      "start.failed",
      "scope.started",
      "scope.completed",
      "scope.failed",
      "kv.answered",
      "kv.failed",
      "lock.acquired",
      "lock.expired",
      "message.received",
      "message.expired",
      "breaker.admitted",
      "breaker.refused",
      "breaker.reported",
    ]);
    expect(EVENT_TYPES.filter(isTerminal)).toEqual(["run.completed", "run.failed", "run.cancelled"]);
  });

  it("is recorded at the top level wherever its call was made, if the run has spent something by it", () => {
    expect(EVENT_TYPES.filter(isRunWide)).toEqual(["wait.completed"]);
  });
});
