/** `varve runs show` */
import type { Command } from "commander";
import type { RunInfo } from "../engine/api-run.ts";
import { encodeRun } from "../http/encode-run.ts";
import type { Payload } from "../kernel/codec.ts";
import type { RunEvent } from "../kernel/events.ts";
import { openForReading } from "./access.ts";
import { failureText } from "./error-text.ts";
import { EXIT } from "./exit-codes.ts";
import { type Output, plain } from "./output.ts";
import { paintStatus, runLength, runRemark } from "./run-text.ts";
import { instantText, lengthText } from "./time-text.ts";
import { type AttemptLine, type CallLine, type NoteLine, Timeline } from "./timeline.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const HELP = `
--json prints { run, input, inputMeta?, calls, notes }: run is the HTTP API's Run; a call is { key, kind, status, seq,
startedAt, endSeq, endedAt, error, dueAt, awaits, runId, attempts }, an attempt { attempt, worker, startedAt, endedAt,
status, error, reason }; a note says what the run was told: { seq, at, type, text }.
With --events: { run, events }.

Examples:
  varve runs show run_01k9x...
  varve runs show run_01k9x... --json | jq '.calls[] | select(.status == "failed")'`;

/** The most characters of a value that are shown to people. */
const VALUE_LENGTH_MAX = 2_000;

export function runsShowVerb(): Command {
  return withServer(verb("show", "Shows a run and its timeline: attempts, workers, lengths, errors"))
    .argument("<run>", "its id")
    .option("--events", "show the events of its history as they are", false)
    .addHelpText("after", HELP)
    .action(action(showRun));
}

async function showRun({ output, target, options }: Call<{ events: boolean }>, id: string): Promise<number> {
  const { engine, close } = await openForReading(target);
  const run = await engine.run(id).status();
  const events = await engine.history(id);
  await close();
  if (options.events) printEvents(output, run, events);
  else printTimeline(output, run, events);
  return EXIT.ok;
}

function printEvents(output: Output, run: RunInfo, events: readonly RunEvent[]): void {
  if (output.json) {
    output.document({ run: encodeRun(run), events });
    return;
  }
  for (const event of events) output.line(eventText(event));
}

/** An event on one line. */
export function eventText({ runId, seq, at, type, key, attempt, data }: RunEvent): string {
  const place = [key, attempt === null ? null : `#${attempt}`].filter((part) => part !== null).join(" ");
  const text = plain(JSON.stringify(data)).slice(0, VALUE_LENGTH_MAX);
  return [new Date(at).toISOString(), runId, String(seq), type, plain(place), text].join("\t");
}

function printTimeline(output: Output, run: RunInfo, events: readonly RunEvent[]): void {
  const timeline = new Timeline();
  for (const event of events) timeline.add(event);
  const input = inputOf(events);
  if (output.json) {
    const { value, meta } = input;
    const inputMeta = meta === undefined ? {} : { inputMeta: meta };
    const { calls, notes } = timeline;
    output.document({ run: encodeRun(run), input: value, ...inputMeta, calls, notes });
    return;
  }
  printHead(output, run, input);
  for (const line of timeline.lines) {
    if ("key" in line) printCall(output, line, run);
    else printNote(output, line, run);
  }
}

function inputOf(events: readonly RunEvent[]): Payload {
  const [first] = events;
  return first?.type === "run.created" ? first.data.input : { value: null };
}

function printHead(output: Output, run: RunInfo, input: Payload): void {
  const { colors } = output;
  const now = Date.now();
  const remark = runRemark(run, now);
  const facts: [string, string][] = [
    ["run", run.id],
    ["workflow", `${run.workflow} ${run.version}`],
    ["status", paintStatus(run.status, run.status, colors)],
    ["created", instantText(run.createdAt)],
    ["length", runLength(run, now)],
    ["worker", run.worker ?? ""],
    ["parent", run.parentId ?? ""],
    ["key", run.idempotencyKey ?? ""],
    [
      "tags",
      Object.entries(run.tags)
        .map(([name, value]) => `${name}=${value}`)
        .join(" "),
    ],
    ["deadline", run.deadlineAt === null ? "" : instantText(run.deadlineAt)],
    ["input", valueText(input.value)],
    ["output", run.status === "completed" ? valueText(encodeRun(run).output) : ""],
    ["remark", remark],
  ];
  for (const [name, text] of facts) {
    const shown = name === "status" ? text : plain(text);
    if (text !== "") output.line(`${colors.dim(name.padEnd(10))}${shown}`);
  }
  output.line();
}

function valueText(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
}

const MARKS = { open: "…", completed: "✓", failed: "✗", interrupted: "↻", expired: "⧖", cancelled: "■" } as const;

function printNote(output: Output, { at, text }: NoteLine, run: RunInfo): void {
  output.line(`${offsetText(output, at, run)} ${output.colors.cyan("•")} ${plain(text)}`);
}

function offsetText({ colors }: Output, at: number, { createdAt }: RunInfo): string {
  return colors.dim(`+${lengthText(at - createdAt)}`.padStart(10));
}

function printCall(output: Output, call: CallLine, run: RunInfo): void {
  const { key, kind, status, startedAt, endedAt, attempts, error, dueAt } = call;
  const { colors } = output;
  const mark = paintMark(output, status);
  const took = endedAt === null ? "" : lengthText(endedAt - startedAt);
  const due = kind !== "step" && dueAt !== null && endedAt === null ? `due ${instantText(dueAt)}` : "";
  const what = kind === "step" ? "" : `(${plain(whatText(call))})`;
  const words = [offsetText(output, startedAt, run), mark, plain(key)];
  words.push(colors.dim([what, took, due].filter(Boolean).join(" ")));
  output.line(words.join(" ").trimEnd());
  const isPlain = attempts.length === 1 && attempts[0]?.status === "completed";
  for (const attempt of attempts) {
    if (isPlain) output.line(colors.dim(`${" ".repeat(13)}${attempt.worker ?? ""}`).trimEnd());
    else output.line(`${" ".repeat(13)}${attemptText(output, attempt)}`);
  }
  if (kind !== "step" && error !== null) output.line(`${" ".repeat(13)}${failureText(error)}`);
}

/** What a call is that is no step. */
function whatText({ kind, key, status, awaits, runId }: CallLine): string {
  const facts = [
    kind,
    awaits === null || awaits === key ? null : `for ${awaits}`,
    runId,
    status === "expired" || status === "cancelled" ? status : null,
  ];
  return facts.filter((fact) => fact !== null).join(" ");
}

function attemptText(
  output: Output,
  { attempt, worker, startedAt, endedAt, status, error, reason }: AttemptLine,
): string {
  const took = endedAt === null ? "open" : lengthText(endedAt - startedAt);
  const why = error === null ? (reason === null ? "" : `worker ${reason}`) : failureText(error);
  const words = [paintMark(output, status), `#${attempt}`, took, output.colors.dim(worker ?? ""), why];
  return words.filter(Boolean).join(" ");
}

function paintMark({ colors }: Output, status: keyof typeof MARKS): string {
  const { cyan, green, red, yellow } = colors;
  const paints = { open: cyan, completed: green, failed: red, interrupted: yellow, expired: yellow, cancelled: yellow };
  return paints[status](MARKS[status]);
}
