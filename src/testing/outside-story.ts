/** What schedules and messages bring to a simulation, in words. */
import type { MessageDispatch, NewMessage, PublishVerdict } from "../log/port-messages.ts";
import type { FiringRow, ScheduleChange } from "../log/port-schedules.ts";
import type { ChildStart } from "../log/port-write.ts";
import type { Effect } from "./store.ts";

export class OutsideStory {
  /** What a run is called. */
  readonly #nameOf: (runId: string) => string;
  /** Positions and tokens: what reaches the log again does nothing. */
  readonly #told = new Set<number | string>();
  /** By position. */
  readonly #messages = new Map<number, string>();

  constructor(nameOf: (runId: string) => string) {
    this.#nameOf = nameOf;
  }

  /** The lines of a call that has had its effect. Empty: there is nothing to tell. */
  lines({ site, args, result }: Effect): readonly string[] {
    if (site === "publishMessage") return [this.#published(args[0] as NewMessage, result as PublishVerdict)];
    if (site === "dispatchMessage") return this.#dispatched(args[0] as MessageDispatch);
    if (site === "fireGathering" && result === true)
      return this.#fired(args[0] as { readonly start: ChildStart | null });
    if (site === "changeSchedule" && result === true) return this.#decided(args[0] as ScheduleChange);
    return [];
  }

  #published({ topic, id }: NewMessage, { position, created }: PublishVerdict): string {
    const isNew = created && !this.#messages.has(position);
    // Nobody has given it an id: where it is names it as well.
    const name = id.startsWith("pub_") ? `message ${position} on ${topic}` : `message ${id} on ${topic}`;
    this.#messages.set(position, name);
    return `${name} is published${isNew ? "" : " again, which is the same one"}`;
  }

  #dispatched({ position, starts, decisions, waits, gathered }: MessageDispatch): readonly string[] {
    if (this.#told.has(position)) return [];
    this.#told.add(position);
    const name = this.#messages.get(position) ?? `message ${position}`;
    const started = starts.map(
      ({ subject, start }) => `${name}: starts ${this.#nameOf(start.start.runId)} by ${subject}`,
    );
    return [
      ...started,
      ...decisions.map(({ subject, decision, reason }) => `${name}: ${decision} for ${subject}${because(reason)}`),
      ...gathered.map(({ subject }) => `${name}: gathered for ${subject}`),
      ...(waits.length > 0 ? [`${name}: is given to who waits for it`] : []),
    ];
  }

  #fired({ start }: { readonly start: ChildStart | null }): readonly string[] {
    return start === null ? [] : [`what was gathered starts ${this.#nameOf(start.start.runId)}`];
  }

  #decided({ scheduleId, token, firings }: ScheduleChange): readonly string[] {
    if (this.#told.has(token)) return [];
    this.#told.add(token);
    return firings.map((firing) => `schedule ${scheduleId}: ${this.#decisionText(firing)}`);
  }

  #decisionText({ at, until, decision, reason, runId }: FiringRow): string {
    const instant = `${isoText(at)}${until === null ? "" : ` to ${isoText(until)}`}`;
    const starts = decision === "fired" && runId !== null ? `, starts ${this.#nameOf(runId)}` : "";
    return `${instant} ${decision === "waiting" ? "waits" : `is ${decision}`}${starts}${because(reason)}`;
  }
}

function because(reason: string | null): string {
  return reason === null ? "" : ` (${reason})`;
}

function isoText(at: number): string {
  return new Date(at).toISOString().replace(".000Z", "Z");
}
