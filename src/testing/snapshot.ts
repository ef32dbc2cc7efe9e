/** `snapshotOf`: a history as text that is the same each time the same happens. */
import { decodePayload, type Payload } from "../kernel/codec.ts";
import { formatDuration } from "../kernel/duration.ts";
import { isOutcome, parseEvent, type RunEvent } from "../kernel/events.ts";
import type { Failure } from "../kernel/failure.ts";
import { type RecordedHistory, recordedRows } from "./recorded.ts";

type Data = Readonly<Record<string, unknown>>;

/** A run's id, wherever it stands: also in idempotency keys. */
const RUN_ID = /\brun_[0-9a-hjkmnp-tv-z]{22}/g;

/** By chance, or by where and when it ran: jitter, ids of messages, places in the log. */
const LEFT_OUT = new Set(["retryAt", "stack", "token", "seq"]);

/**
 * One run's history as text, a line an event, for a snapshot: what the run did, in order. What differs from run to run is
 * left out or named alike: the run's id is `<run>`, other runs and workers are numbered, an instant is how long it is after
 * the outcome before it, and what retry jitter decided is not shown, nor stacks, nor that a worker took the run that had it
 * before.
 *
 * @param history what `engine.history(runId)` returns, an object that has such a list as `events`, or either as JSON text
 * @throws DefinitionError `HISTORY_INVALID`, StoreError `EVENT_UNREADABLE`, PayloadError `PAYLOAD_CORRUPT`
 * @example expect(snapshotOf(await run.history())).toMatchSnapshot();
 */
export function snapshotOf(history: RecordedHistory): string {
  const events = recordedRows(history).map(parseEvent);
  const workers = new Map<string, string>();
  const lines: (readonly [type: string, call: string, what: string])[] = [];
  let lastWorker: string | undefined;
  let base = (events[0] as RunEvent).at;
  for (const event of events) {
    const { type, at } = event;
    const { worker, ...data } = event.data as Data & { readonly worker?: string };
    const isSame = type === "run.claimed" && worker === lastWorker;
    lastWorker = worker ?? lastWorker;
    if (!isSame) lines.push([type, callOf(event), whatOf(type, data, workerName(workers, worker), base)]);
    if (isOutcome(type)) base = at;
  }
  const widths = [0, 1].map((column) => Math.max(...lines.map((line) => (line[column] as string).length)));
  const text = lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
  return withoutIds(text.replaceAll((events[0] as RunEvent).runId, "<run>"));
}

/** Other runs, such as those that this one started, in the order in which they come up. */
function withoutIds(text: string): string {
  const others = new Map<string, string>();
  return text.replace(RUN_ID, (id) => {
    if (!others.has(id)) others.set(id, `<run ${others.size + 2}>`);
    return others.get(id) as string;
  });
}

function callOf({ key, attempt }: RunEvent): string {
  return [key ?? "", attempt === null ? "" : `(${attempt})`].filter((part) => part !== "").join(" ");
}

function workerName(workers: Map<string, string>, id: string | undefined): string {
  if (id === undefined) return "";
  if (!workers.has(id)) workers.set(id, `worker ${workers.size + 1}`);
  return workers.get(id) as string;
}

function whatOf(type: string, data: Data, worker: string, base: number): string {
  const { workflow, version, input, value, meta, error, ...others } = data;
  const parts = [
    workflow === undefined ? "" : `${workflow}@${version}`,
    worker,
    input === undefined ? "" : payloadText(input as Payload),
    "value" in data ? payloadText((type === "attempt.late" ? value : data) as Payload) : "",
    error === undefined ? "" : failureText(error as Failure),
    ...Object.entries(others).map(([name, field]) => fieldText(name, field, base)),
  ];
  return parts.filter((part) => part !== "").join(" ");
}

/** A value as it is stored, and the places in it that JSON cannot say. One that was damaged is refused. */
function payloadText(payload: Payload): string {
  decodePayload(payload);
  const { value, meta = [] } = payload;
  const [only] = meta;
  if (only?.[0].length === 0 && only[1] === "undefined") return "";
  const tags = meta.map(([path, tag]) => `${path.join(".")}: ${tag}`);
  return `${JSON.stringify(value)}${tags.length === 0 ? "" : ` (${tags.join(", ")})`}`;
}

function failureText({ name, code, message, cause }: Failure): string {
  const text = `${name}${code === undefined ? "" : ` ${code}`}: ${JSON.stringify(message)}`;
  return typeof cause !== "object" || cause === null ? text : `${text} because of ${failureText(cause)}`;
}

function fieldText(name: string, field: unknown, base: number): string {
  if (LEFT_OUT.has(name) || field === undefined) return "";
  if (isPayload(field)) return `${name}: ${payloadText(field)}`;
  if (!/At$|^until$/.test(name) || typeof field !== "number") return `${name}: ${JSON.stringify(field)}`;
  return `${name}: ${field < base ? "-" : ""}${formatDuration(Math.abs(field - base))}`;
}

function isPayload(field: unknown): field is Payload {
  if (typeof field !== "object" || field === null || !("value" in field)) return false;
  return Object.keys(field).every((name) => name === "value" || name === "meta");
}
