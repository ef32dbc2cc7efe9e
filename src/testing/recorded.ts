/** A history as somebody hands it in, made rows of the log again, or refused with the place that is wrong. */
import { DefinitionError } from "../kernel/errors.ts";
import { dataText, type EventRow, parseEvent } from "../kernel/events.ts";
import { foundText } from "./invalid-option.ts";

/**
 * One run's history from its first event on: the events that `engine.history()` returns, an object that has them as
 * `events`, as an exported or recorded one has, or the JSON text of either.
 */
export type RecordedHistory = readonly object[] | { readonly events: readonly object[] } | string;

/** What is there before it was checked. */
type Fields = Readonly<Record<string, unknown>>;

/** The run of a history that says nowhere which one it was of. */
const RUN_ID = "run_recorded";

/**
 * The rows of a history, in order.
 *
 * @throws DefinitionError `HISTORY_INVALID`, StoreError `EVENT_UNREADABLE`
 */
export function recordedRows(history: RecordedHistory): readonly [EventRow, ...EventRow[]] {
  const given = typeof history === "string" ? parsed(history) : history;
  const header = isFields(given) ? given : {};
  const events: unknown = Array.isArray(given) ? given : header["events"];
  if (!Array.isArray(events)) throw invalid("history", "a list of events, or an object that has one as events", given);
  const rows = events.map((event, i) => rowOf(`events[${i}]`, event, i + 1, header["runId"]));
  for (const row of rows) parseEvent(row);
  const [first, ...others] = rows;
  if (first?.type !== "run.created") throw invalid("events[0].type", '"run.created"', first?.type);
  const other = others.findIndex(({ runId }) => runId !== first.runId);
  if (other >= 0) throw invalid(`events[${other + 1}].runId`, JSON.stringify(first.runId), others[other]?.runId);
  return [first, ...others];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DefinitionError("HISTORY_INVALID", `expected a history as JSON, but found ${cause}`, {}, { cause });
  }
}

function rowOf(place: string, event: unknown, seq: number, ofRun: unknown): EventRow {
  if (!isFields(event)) throw invalid(place, "an event", event);
  const { runId = ofRun ?? RUN_ID, position = 0, epoch = 1, type, v = 1, at, data = null } = event;
  const { key = null, scope = null, attempt = null } = event;
  // A part of a history, or one of which events were left out, says nothing of the whole.
  if (event["seq"] !== seq) throw invalid(`${place}.seq`, String(seq), event["seq"]);
  if (typeof type !== "string") throw invalid(`${place}.type`, "a text", type);
  for (const [name, text] of Object.entries({ runId, key, scope })) {
    if (typeof text !== "string" && (text !== null || name === "runId"))
      throw invalid(`${place}.${name}`, "a text", text);
  }
  for (const [name, number] of Object.entries({ position, epoch, v, at, attempt })) {
    const isGiven = name !== "attempt" || number !== null;
    if (isGiven && !Number.isFinite(number)) throw invalid(`${place}.${name}`, "a number", number);
  }
  if (typeof data !== "string" && data !== null && !isFields(data)) throw invalid(`${place}.data`, "an object", data);
  const text = typeof data === "string" || data === null ? data : textOf(`${place}.data`, data);
  return { runId, seq, position, epoch, type, v, key, scope, attempt, at, data: text } as EventRow;
}

function textOf(place: string, data: object): string | null {
  try {
    return dataText(data);
  } catch {
    throw invalid(place, "an object of JSON", data);
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(place: string, expected: string, found: unknown): DefinitionError {
  const message = `expected ${place} of a recorded history to be ${expected}, but found ${foundText(found)}`;
  return new DefinitionError("HISTORY_INVALID", message, { place });
}
