import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { ROOT } from "./bundle.ts";
import { probeOutbound } from "./outbound-probe.ts";

const PROBE = ["test/runtimes/outbound-probe.ts", "--probe"];

/** Runs the probe in a runtime that loads TypeScript by itself. */
async function probeIn(runtime: "bun" | "deno", ...args: readonly string[]): Promise<unknown> {
  const bin = join(ROOT, "node_modules/.bin", runtime);
  const { stdout } = await promisify(execFile)(bin, [...args, ...PROBE], { cwd: ROOT });
  return JSON.parse(stdout);
}

const RUNTIMES = {
  Node: probeOutbound,
  Bun: () => probeIn("bun"),
  Deno: () => probeIn("deno", "run", "--allow-net", "--allow-read", "--allow-env"),
};

const answered = { kind: "answer", status: 429, retryAfter: "7" };

it.each(Object.entries(RUNTIMES))(
  "a request on %s goes to an address that was checked, or nowhere",
  async (_, probe) => {
    expect(await probe()).toEqual({
      good: answered,
      endless: { kind: "answer", status: 202, retryAfter: null },
      rebound: answered,
      mixed: { kind: "refused", address: "10.0.0.7" },
      literal: { kind: "refused", address: "10.0.0.7" },
      free: answered,
      local: "refused",
      dead: "failed",
      unknown: "unknown.example has no address",
      asked: ["good.example", "endless.example", "rebound.example", "mixed.example", "unknown.example"],
      bodies: ["é1", "2", "3", "6"],
      host: "good.example:port",
    });
  },
);
