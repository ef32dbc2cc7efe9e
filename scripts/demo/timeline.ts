/** An act as text: one line a run, with which attempt ran in which process, and what became of it. */
import type { RunEvent } from "../../src/kernel/events.ts";
import type { Findings, RunFinding } from "./findings.ts";

const MARKS: { readonly [type: string]: string } = {
  "step.completed": "✓",
  "step.failed": "✗",
  "attempt.failed": "✗",
  "attempt.interrupted": "☠",
};

export function timelines({ act, runs, starts, repeats, lostStarts }: Findings): string {
  const letters = new Map([...new Set(starts.map(({ pid }) => pid))].map((pid, i) => [pid, letter(i)]));
  const processes = [...letters].map(([pid, name]) => `${name} = process ${pid}`).join(", ");
  const lines = runs.map(
    (run) => `  ${run.id}  ${run.subject.padEnd(36)} ${run.status.padEnd(9)}  ${path(run, letters)}`,
  );
  const found = [
    `${runs.length} runs, ${runs.filter(({ status }) => status === "completed").length} completed`,
    `${starts.length} bodies began, ${repeats.length} of them repeated a recorded step`,
    `${act.acknowledged.length} deliveries acknowledged, ${lostStarts.length} lost`,
  ];
  return [
    `${act.title}: ${processes}`,
    ...lines,
    `  ${found.join("; ")}`,
    `  log ${act.db}, bodies ${act.evidence}`,
    "",
  ].join("\n");
}

function letter(index: number): string {
  return String.fromCharCode("A".charCodeAt(0) + (index % 26));
}

/** Such as `read A✓ label A☠ B✓`: attempts in order, each with its process. */
function path({ events }: RunFinding, letters: ReadonlyMap<number, string>): string {
  const workers = new Map<number, string>();
  const steps = new Map<string, string[]>();
  for (const event of events) {
    const { type, key, epoch } = event;
    const worker = workerOf(event);
    if (worker !== null) workers.set(epoch, letters.get(worker) ?? "?");
    if (key === null) continue;
    const attempts = steps.get(key) ?? [];
    if (type === "attempt.started") steps.set(key, [...attempts, `${workers.get(epoch) ?? "?"}…`]);
    const mark = MARKS[type];
    const open = attempts.at(-1);
    if (mark !== undefined && open !== undefined) attempts[attempts.length - 1] = open.replace("…", mark);
  }
  return [...steps].map(([key, attempts]) => `${key} ${attempts.join(" ")}`).join("  ");
}

/** The process of a worker whose id begins with `pid <number>`. */
function workerOf(event: RunEvent): number | null {
  const worker = event.type === "run.created" || event.type === "run.claimed" ? event.data.worker : undefined;
  const pid = /^pid (\d+)\//.exec(worker ?? "")?.[1];
  return pid === undefined ? null : Number(pid);
}
