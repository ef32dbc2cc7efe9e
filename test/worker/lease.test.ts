import { describe, expect, it } from "vitest";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { Heartbeat } from "../../src/log/port-workers.ts";
import { Lease } from "../../src/worker/lease.ts";
import { manualClock, seededRandom } from "../support/ports.ts";

const LEASE_MS = 3_000;

/** A lease whose heartbeats are answered when the test says so. */
function openLease() {
  const clock = manualClock();
  const answers: ((answer: Heartbeat) => void)[] = [];
  const heartbeat: LogStore["heartbeat"] = () => new Promise((resolve) => answers.push(resolve));
  const store = Object.assign(memoryStore(clock), { heartbeat });
  const heard: string[] = [];
  const ports = { clock, drain: setImmediate, random: seededRandom(1), logger: { log: () => {} } };
  const lease = new Lease(
    store,
    ports,
    { worker: "w", leaseMs: LEASE_MS, sentAt: 0 },
    {
      renewed: () => heard.push("renewed"),
      lost: () => heard.push("lost"),
      delayed: () => heard.push("delayed"),
    },
  );
  return { clock, answers, heard, lease };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("a lease", () => {
  it("lasts from the sending of the heartbeat that renewed it", async () => {
    const { clock, answers, heard, lease } = openLease();
    clock.advance(1_000);
    clock.advance(500);
    answers[0]?.({ alive: true, mail: [] });
    await settled();
    expect(heard).toEqual(["renewed"]);
    clock.advance(2_100);
    expect(lease.isAlive).toBe(true);
    clock.advance(200);
    expect(lease.isAlive).toBe(false);
    expect(heard).toEqual(["renewed", "lost"]);
  });

  it("is not renewed by an answer that is read after its end, as it may be after a pause of the process", async () => {
    const { clock, answers, heard, lease } = openLease();
    clock.advance(1_000);
    // The process stood still: time has passed, and no timer has fired yet.
    const monotonic = clock.monotonic;
    Object.assign(clock, { monotonic: () => monotonic() + LEASE_MS });
    answers[0]?.({ alive: true, mail: [] });
    await settled();
    expect(lease.isAlive).toBe(false);
    expect(heard).toEqual(["lost"]);
  });
});
