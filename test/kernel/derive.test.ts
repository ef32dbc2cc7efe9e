import { createHash, createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  derivedFloat,
  derivedUuid,
  hmacSha256,
  resumeCall,
  sha256Hex,
  stepIdempotencyKey,
} from "../../src/kernel/derive.ts";

const args = fc.tuple(fc.string(), fc.string(), fc.integer({ min: 1, max: 1_000 }));

describe("derived randomness", () => {
  it("is part of the format: a run of today draws the same for ever", () => {
    expect(derivedFloat("run_1", "", 1)).toBe(0.0720767367665699);
    expect(derivedUuid("run_1", "order", 2)).toBe("78c03ab6-5502-87d5-a2ef-3c44f21c33eb");
  });

  it("is a float in [0, 1), the same each time", () => {
    fc.assert(
      fc.property(args, (of) => {
        const float = derivedFloat(...of);
        return float >= 0 && float < 1 && float === derivedFloat(...of);
      }),
    );
  });

  it("spreads evenly", () => {
    const tenths = new Array<number>(10).fill(0);
    for (let i = 1; i <= 10_000; i++) {
      const at = Math.floor(derivedFloat("run_1", "", i) * 10);
      tenths[at] = (tenths[at] as number) + 1;
    }
    expect(Math.min(...tenths)).toBeGreaterThan(850);
    expect(Math.max(...tenths)).toBeLessThan(1_150);
  });

  it("uses all 53 bits of a float", () => {
    const bits = Array.from({ length: 500 }, (_, i) => derivedFloat("run_1", "", i + 1) * 2 ** 53);
    expect(bits.every(Number.isSafeInteger)).toBe(true);
    expect(bits.some((value) => value % 2 === 1)).toBe(true);
    expect(bits.some((value) => value > 2 ** 52)).toBe(true);
  });

  it("is a version 8 UUID", () => {
    fc.assert(
      fc.property(args, (of) =>
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(derivedUuid(...of)),
      ),
    );
  });

  it("differs by run, scope, occurrence and kind", () => {
    const values = [
      derivedUuid("run_1", "", 1),
      derivedUuid("run_2", "", 1),
      derivedUuid("run_1", "a", 1),
      derivedUuid("run_1", "", 2),
      derivedUuid("run_1", "1", 1),
    ];
    expect(new Set(values).size).toBe(values.length);
    expect(derivedFloat("run_1", "a", 1)).not.toBe(derivedFloat("run_1", "b", 1));
  });
});

describe("a step's idempotency key", () => {
  it("is the run and the step, in the clear", () => {
    expect(stepIdempotencyKey("run_1", "order/charge#2")).toBe("run_1/order/charge#2");
  });

  it("of a long step is its digest, and never longer than 255 characters", () => {
    const long = "x".repeat(300);
    const key = stepIdempotencyKey("run_1", long);
    expect(key).toBe(`run_1/sha256-${createHash("sha256").update(long).digest("hex")}`);
    expect(stepIdempotencyKey("run_1", "y".repeat(249))).toHaveLength(255);
    expect(stepIdempotencyKey("run_1", "y".repeat(250))).toMatch(/^run_1\/sha256-/);
    expect(stepIdempotencyKey("run_1", `${long}a`)).not.toBe(stepIdempotencyKey("run_1", `${long}b`));
  });
});

describe("a call of a resume URL", () => {
  it("is part of the format: an address of today is good for ever", () => {
    const digest = createHash("sha256").update("resume\0run_1\0order\0approval\x002").digest("hex");
    expect(resumeCall("run_1", "order", "approval", 2)).toBe(digest.slice(0, 32));
  });

  it("is another one for each run, scope, signal and occurrence", () => {
    const calls = [
      resumeCall("run_1", "", "go", 1),
      resumeCall("run_2", "", "go", 1),
      resumeCall("run_1", "go", "", 1),
      resumeCall("run_1", "", "stop", 1),
      resumeCall("run_1", "", "go", 2),
    ];
    expect(new Set(calls).size).toBe(calls.length);
  });
});

describe("a digest", () => {
  it("is that of the platform", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(sha256Hex(text)).toBe(createHash("sha256").update(text).digest("hex"));
      }),
    );
  });
});

describe("a signature", () => {
  it("is that of the platform", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.string({ unit: "grapheme" }), (key, text) => {
        expect(Buffer.from(hmacSha256(key, text))).toEqual(createHmac("sha256", key).update(text).digest());
      }),
    );
  });
});
