/** Races: small scopes in which what others do to a run meets what the run does. All their orders are tried. */
import { step } from "./corpus.ts";
import type { Deed } from "./deeds.ts";
import type { OrdersOptions } from "./orders.ts";
import type { Command, Program } from "./program.ts";

export interface Race extends Pick<OrdersOptions, "senders" | "sendersMs" | "workers" | "parkAfterMs"> {
  readonly program: Program;
  /** What the long lane tries beyond that. */
  readonly long: Partial<OrdersOptions>;
}

const wait = (name: string, timeoutMs: number | null): Command => ({ do: "wait", name, signal: "go", timeoutMs });
const child = (...body: Command[]): Command => ({ do: "child", name: "kid", body, isAbandoned: false });
const signal = (dedupeKey: string): Deed => ({ do: "signal", name: "go", dedupeKey });

/** A worker reads the mail of a run that it holds with each heartbeat, and a body of so long lets it have one. */
const slow = (name: string) => step(name, { ms: 10 });

export const RACES = {
  "a signal against a time-out": {
    program: [wait("w", 12), step("after")],
    senders: [[signal("1")]],
    sendersMs: 20,
    long: { pauses: 1 },
  },
  "a signal against a time-out of a parked run": {
    program: [wait("w", 12), step("after")],
    senders: [[signal("1")]],
    sendersMs: 20,
    parkAfterMs: 0,
    long: {},
  },
  "two signals at once": {
    program: [wait("v", null), wait("w", null)],
    workers: 1,
    senders: [[signal("1")], [signal("2")]],
    long: { workers: 2 },
  },
  "a cancel against completion": {
    program: [slow("a"), step("b")],
    senders: [[{ do: "cancel" }]],
    sendersMs: 15,
    long: { pauses: 1 },
  },
  "a terminate against completion": {
    program: [slow("a"), step("b")],
    senders: [[{ do: "terminate" }]],
    sendersMs: 15,
    long: { pauses: 1 },
  },
  "a pause and a resume against completion": {
    program: [slow("a"), step("b")],
    workers: 1,
    senders: [[{ do: "pause" }, { do: "resume" }]],
    sendersMs: 15,
    long: { workers: 2 },
  },
  "a child of which another worker is told": {
    program: [child(step("a"))],
    senders: [],
    long: {},
  },
  "a cancel of a parent against its child's end": {
    program: [child(step("a")), step("after")],
    workers: 1,
    senders: [[{ do: "cancel" }]],
    long: { workers: 2 },
  },
} as const satisfies Record<string, Race>;

export type RaceName = keyof typeof RACES;

export const RACE_NAMES = Object.keys(RACES) as RaceName[];
