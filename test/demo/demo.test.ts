import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { text } from "node:stream/consumers";
import { createEngine } from "varve/node";
import { expect, it } from "vitest";
import { ROOT } from "../runtimes/bundle.ts";
import { readEvidence } from "../support/evidence.ts";

interface Summary {
  readonly runs: number;
  readonly completed: number;
  readonly killed: number;
  readonly repeatedBodies: number;
  readonly lostStarts: number;
  readonly files: readonly { readonly db: string; readonly evidence: string }[];
}

async function demo(...args: string[]): Promise<{ exitCode: number; summary: Summary }> {
  const child = spawn("npm", ["run", "-s", "demo", "--", "--json", ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const output = text(child.stdout);
  const [exitCode] = (await once(child, "exit")) as [number];
  return { exitCode, summary: JSON.parse(await output) as Summary };
}

const TIMEOUT_MS = 120_000;

it("the demo kills its server, loses nothing and repeats no recorded step", { timeout: TIMEOUT_MS }, async () => {
  const { exitCode, summary } = await demo();
  expect({ exitCode, ...summary }).toMatchObject({
    exitCode: 0,
    runs: 40,
    completed: 40,
    killed: 2,
    repeatedBodies: 0,
    lostStarts: 0,
  });
  // Its files are left where it says.
  const [{ db, evidence }] = summary.files as [Summary["files"][number]];
  expect(readEvidence(evidence).length).toBeGreaterThan(summary.runs);
  const engine = await createEngine({ db: `file:${db}`, workflows: [] });
  expect((await engine.list({ status: "completed" })).runs).toHaveLength(30);
  await engine.close();
  rmSync(dirname(db), { recursive: true });
});

it("the demo reports repeats when the log's fence is taken out", { timeout: TIMEOUT_MS }, async () => {
  const { exitCode, summary } = await demo("--without-fence");
  expect(summary.repeatedBodies).toBeGreaterThan(0);
  // It was asked to find them.
  expect(exitCode).toBe(0);
  rmSync(dirname(summary.files[0]?.db ?? ""), { recursive: true });
});
