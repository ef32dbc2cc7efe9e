/**
 * Recorded histories (`test/histories/v1/`): one file a way through an example, in the log's public format, kept for ever.
 * Clock, ids, jitter and the outside are the same each time, so a recording can be repeated to the byte.
 */
import { createHmac } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import type { Engine } from "../../src/engine/api.ts";
import type { EventRow } from "../../src/kernel/events.ts";
import type { LogWrite } from "../../src/log/port-write.ts";
import { githubHook } from "../../workflows/github-triage.ts";
import { everyNight } from "../../workflows/nightly-report.ts";
import { type AnyWorkflow, type Case, cases, outside, TRIAGE_URL } from "./examples.ts";
import { type EngineSetup, type Lab, LEASE_MS, openLab } from "./lab.ts";

const FOLDER = fileURLToPath(new URL("../histories/v1/", import.meta.url));

export interface Recording {
  /** The case of `examples.ts` that it was recorded of. */
  readonly case: string;
  readonly workflow: string;
  readonly version: string;
  readonly runId: string;
  /** Each call that the code made, in order: `kind key`. */
  readonly asked: readonly string[];
  /** As the log holds them, with `data` as an object, and without stacks and the run's id. */
  readonly events: readonly RecordedEvent[];
}

export interface RecordedEvent extends Omit<EventRow, "data" | "runId"> {
  readonly data: object | null;
}

/** The attempt in whose body a worker dies. */
interface DeadlyBody {
  readonly key: string;
  readonly attempt: number;
}

/** What starts a run in place of a caller. */
interface Trigger {
  readonly setup?: Pick<EngineSetup, "hooks" | "schedules">;
  readonly pull: (engine: Engine) => Promise<unknown>;
}

interface ToRecord {
  readonly name: string;
  readonly example: Case;
  readonly diesIn?: DeadlyBody;
  readonly trigger?: Trigger;
}

/** What is recorded: every case, some whose worker dies in a body, and one for each kind of trigger. */
export const recordings: readonly ToRecord[] = [
  ...cases.map((example) => ({ name: example.name, example })),
  { name: "order-interrupted", example: caseNamed("order-fulfilment"), diesIn: { key: "charge", attempt: 2 } },
  {
    name: "newsletter-interrupted",
    example: caseNamed("newsletter"),
    diesIn: { key: "send[2]/hand over", attempt: 1 },
  },
  {
    name: "staged-rollout-interrupted",
    example: caseNamed("staged-rollout"),
    diesIn: { key: "stage 10/measure", attempt: 1 },
  },
  {
    name: "parcel-by-message",
    example: caseNamed("parcel-delivered"),
    trigger: { pull: (engine) => engine.publish("orders.paid", { order: "o-1", total: 120 }, { id: "paid-1" }) },
  },
  {
    name: "report-by-schedule",
    example: caseNamed("nightly-report"),
    trigger: { setup: { schedules: [everyNight] }, pull: (engine) => engine.schedules.trigger("nightly-report") },
  },
  {
    name: "triage-by-webhook",
    example: caseNamed("github-triage"),
    trigger: { setup: { hooks: [githubHook] }, pull: deliverPull },
  },
];

/** As GitHub sends it, signed with the example's secret. */
async function deliverPull(engine: Engine): Promise<void> {
  const { event, payload } = caseNamed("github-triage").input as { event: string; payload: object };
  const body = new TextEncoder().encode(JSON.stringify(payload));
  const signature = createHmac("sha256", "varve-development").update(body).digest("hex");
  const headers = [
    ["x-github-event", event],
    ["x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"],
    ["x-hub-signature-256", `sha256=${signature}`],
  ] as const;
  const { kind } = await engine.deliver("github", { headers, body });
  if (kind !== "accepted") throw new Error(`expected the delivery to be accepted, but found it ${kind}`);
}

export function caseNamed(name: string): Case {
  const found = cases.find((each) => each.name === name);
  if (found === undefined) throw new Error(`expected a case of the examples, but found ${name}`);
  return found;
}

/** Puts the outside in place of the network. Returns what takes it away. */
export function standIn(): () => void {
  vi.stubEnv("TRIAGE_URL", TRIAGE_URL);
  vi.stubGlobal("fetch", outside());
  return () => {
    vi.unstubAllEnvs();
    vi.unstubAllGlobals();
  };
}

/** Runs an example from its start to its end and returns what the log holds then. */
export async function record({ example, diesIn, trigger }: ToRecord): Promise<Recording> {
  const lab = openLab();
  const asked: string[] = [];
  const lives = diesIn === undefined ? [{ seed: 1 }] : [{ seed: 1, ...dyingIn(diesIn) }, { seed: 2 }];
  for (const life of lives) {
    const workflows = [example.workflow, ...(example.others ?? [])];
    const engine = await lab.engine({ workflows, queues: example.queues ?? {}, ...trigger?.setup, ...life });
    if (life.seed === 1) await example.before?.(engine);
    if (trigger !== undefined) await trigger.pull(engine);
    else if (life.seed === 1) engine.start(example.workflow, example.input as never).catch(() => {});
    await finish(lab, example.workflow, () => engine.isDead);
    const [own] = await lab.rows(example.workflow.name);
    asked.push(...engine.askedBy(own?.id ?? "").filter((call) => !asked.includes(call)));
    engine.kill();
    lab.clock.advance(LEASE_MS + 1_000);
  }
  const [row] = await lab.rows(example.workflow.name);
  if (row === undefined) throw new Error(`${example.name} made no run`);
  const events = await lab.store.readHistory(row.id, { afterSeq: 0, limit: 1_000 });
  return {
    case: example.name,
    workflow: row.workflow,
    version: row.version,
    runId: row.id,
    asked,
    events: events.map(recorded),
  };
}

/** A worker that dies once it is on record that the attempt has begun. How many writes came before is not counted on. */
function dyingIn({ key, attempt }: DeadlyBody): Pick<EngineSetup, "dies" | "onAppend"> {
  const dies = { append: 0, moment: "after" as const };
  let appends = 0;
  const onAppend = ({ runs }: LogWrite) => {
    appends++;
    const events = runs.flatMap((run) => run.events);
    if (events.some((event) => event.type === "attempt.started" && event.key === key && event.attempt === attempt)) {
      dies.append = appends;
    }
  };
  return { dies, onAppend };
}

/** Lets time pass, up to some hours, until the workflow's run has ended. */
export async function finish(lab: Lab, workflow: AnyWorkflow, isOver = () => false): Promise<void> {
  for (let passed = 0; passed < HOURS_MS; passed += 30_000) {
    await lab.pass(30_000, 2_500);
    const [row] = await lab.rows(workflow.name);
    if (isOver() || row?.endedAt != null) return;
  }
}

const HOURS_MS = 3 * 3_600_000;

function recorded({ seq, epoch, type, v, key, scope, attempt, at, position, data }: EventRow): RecordedEvent {
  // A stack tells where this copy of the project lives; it is no part of what replay needs.
  const parsed = data === null ? null : JSON.parse(data, (name, value) => (name === "stack" ? undefined : value));
  return { position, seq, epoch, type, v, key, scope, attempt, at, data: parsed };
}

// ---- Files ----

/** One event a line, so that a change can be read as a diff. */
export function textOf({ events, asked, ...header }: Recording): string {
  const fields = Object.entries(header).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)},`);
  const lines = (list: readonly unknown[]) => list.map((item) => `    ${JSON.stringify(item)}`).join(",\n");
  return `{\n${fields.join("\n")}\n  "asked": [\n${lines(asked)}\n  ],\n  "events": [\n${lines(events)}\n  ]\n}\n`;
}

/** The names of all files, also of those that nothing records any more. */
export function recordedNames(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length));
}

export function recordedText(name: string): string {
  return readFileSync(`${FOLDER}${name}.json`, "utf8");
}

export function isRecorded(name: string): boolean {
  return existsSync(`${FOLDER}${name}.json`);
}

/** Writes a new file. One that exists is kept: whoever wants another history moves the old one aside. */
export function writeNew(name: string, text: string): void {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(`${FOLDER}${name}.json`, text, { flag: "wx" });
}

/** Puts the first events of a recording into a log, claim by claim, as a run that nobody has now. */
export async function restore(lab: Lab, recording: Recording, count: number): Promise<void> {
  const { runId, workflow, version } = recording;
  const rows = recording.events.slice(0, count).map(({ data, ...event }) => ({
    ...event,
    runId,
    data: data === null ? null : JSON.stringify(data),
  }));
  const created = rows[0] as EventRow;
  lab.clock.jump((rows.at(-1) as EventRow).at - lab.clock.now());
  const worker = "worker/of-the-recording";
  await lab.store.openWorker(worker, LEASE_MS);
  const start = { runId, workflow, version, createdAt: created.at, idempotencyKey: null, tags: {} };
  // What a trigger has started, or what had to wait for its turn, was claimed by somebody later.
  const owner = created.epoch === 0 ? null : worker;
  const starts = [{ ...start, deadlineAt: null, owner, delivery: null, parentId: null, limits: null }];
  for (const epoch of new Set(rows.map((row) => row.epoch))) {
    const events = rows.filter((row) => row.epoch === epoch);
    if (epoch > created.epoch) {
      await lab.store.claim({ turn: epoch, worker, programs: [{ workflow, version }], limit: 1, alone: false });
    }
    const row = { ...WAITING, availableAt: created.at };
    const run = { runId, epoch, firstSeq: (events[0] as EventRow).seq, events, drained: [], row, beyond: null };
    await lab.store.append({ starts: epoch === created.epoch ? starts : [], runs: [run], messages: [] });
  }
  await lab.store.closeWorker(worker);
}

/** What a worker leaves that hands a run back. */
const WAITING = {
  kind: "move",
  unclean: "reset",
  status: "pending",
  release: true,
  result: null,
  startedAt: null,
  endedAt: null,
  stuck: null,
} as const;
