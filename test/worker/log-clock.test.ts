import { describe, expect, it } from "vitest";
import { LogClock } from "../../src/worker/log-clock.ts";

function clockAt(now: number) {
  const machine = { at: now };
  const clock = { now: () => machine.at, monotonic: () => machine.at - now };
  return { logClock: new LogClock(clock), pass: (ms: number) => (machine.at += ms) };
}

describe("the log's clock", () => {
  it("is this machine's until the database has said something", () => {
    const { logClock, pass } = clockAt(1_000);
    pass(5);
    expect(logClock.now()).toBe(1_005);
  });

  it("goes on from what the database said last", () => {
    const { logClock, pass } = clockAt(1_000);
    logClock.sync(500_000);
    pass(7);
    expect(logClock.now()).toBe(500_007);
    logClock.sync(500_020);
    expect(logClock.now()).toBe(500_020);
  });

  it("stands still while answers that were long on their way say less, and then goes on", () => {
    const { logClock, pass } = clockAt(1_000);
    logClock.sync(500_000);
    pass(3_000);
    logClock.sync(501_000);
    expect(logClock.now()).toBe(503_000);
    pass(500);
    logClock.sync(501_400);
    expect(logClock.now()).toBe(503_000);
    pass(1_700);
    expect(logClock.now()).toBe(503_100);
  });

  it("goes back with a database whose clock was set back by more than any answer is late", () => {
    const { logClock, pass } = clockAt(1_000);
    logClock.sync(500_000);
    pass(10);
    logClock.sync(440_010);
    expect(logClock.now()).toBe(500_010);
    logClock.sync(440_009);
    expect(logClock.now()).toBe(440_009);
  });
});
