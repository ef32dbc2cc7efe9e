/**
 * `engine.schedules`, and the engine's part in deciding: which workflows are known here, and what a run of them is.
 *
 * Owns: the loop, and plans of definitions that were read. Called by the engine.
 *
 * I1 What code declares is brought into the log once, before anything else is done with schedules.
 * I2 A schedule that has left the code is paused, and goes on when it comes back: nothing else is known of why it left.
 */
import { decodePayload, type Payload } from "../kernel/codec.ts";
import { parseDuration } from "../kernel/duration.ts";
import * as errors from "../kernel/errors.ts";
import { checkNumbers, invalidOption } from "../kernel/options.ts";
import type { Ports } from "../kernel/ports.ts";
import { checkTags, NO_TAGS } from "../kernel/tags.ts";
import { checkName, checkPathName } from "../kernel/text.ts";
import { checkProgramId, type WorkflowRef } from "../kernel/workflow-ref.ts";
import type { LogStore } from "../log/port.ts";
import type { InboxMessage } from "../log/port-inbox.ts";
import type { FiringRow, ScheduleRow, ScheduleView } from "../log/port-schedules.ts";
import type { ChildStart } from "../log/port-write.ts";
import { nextDue, type RuledFiring, WAITING_MAX } from "../scheduler/decide.ts";
import {
  definitionText,
  isSchedule,
  type Plan,
  planOf,
  type ScheduleDefinition,
  type StoredDefinition,
} from "../scheduler/definition.ts";
import { explain } from "../scheduler/explain.ts";
import { ScheduleLoop } from "../scheduler/loop.ts";
import { checkOverlap, checkPolicy } from "../scheduler/policy.ts";
import { type Edit, type RunOfSchedule, type Settled, type SettleHost, settle } from "../scheduler/settle.ts";
import type { ScheduleTimes } from "../scheduler/spec.ts";
import type * as api from "./api-schedules.ts";

export interface ScheduleParts {
  readonly store: LogStore;
  readonly ports: Ports;
  /** Null: nobody brought along what computes with timetables. */
  readonly times: ScheduleTimes | null;
  /** Null: this engine says nothing of what is declared. */
  readonly declared: readonly ScheduleDefinition[] | null;
  /** By name the workflow that is registered here, in its latest version. */
  readonly workflows: ReadonlyMap<string, WorkflowRef>;
  readonly now: () => Promise<number>;
  readonly checkOpen: () => void;
  readonly checkLimit: (limit: number | undefined) => number;
  readonly newToken: () => string;
  /** An input as it is stored: checked by the workflow's schema, if that is known here. */
  readonly inputOf: (workflow: string, version: string | null, input: unknown) => Promise<Payload>;
  readonly startOf: (run: RunOfSchedule & { readonly version: string }) => ChildStart;
  readonly changed: (starts: readonly ChildStart[], tells: readonly InboxMessage[]) => void;
}

/** Why a schedule is paused that an engine with its workflow does not declare any more. */
const LEFT_CODE = "it is no longer in the code";

const PAGE = 500;
const NEXT_COUNT = { count: 10 } as const;
const BACKFILL_MAX = WAITING_MAX;
const PLANS_MAX = 1_000;

/** Fields of a spec and of rules, not checked yet. */
type Given = Readonly<Record<string, unknown>>;

type GivenSchedule = Given & { readonly workflow: WorkflowRef | string };

export class EngineSchedules implements api.Schedules {
  readonly loop: ScheduleLoop;
  readonly #parts: ScheduleParts;
  readonly #host: SettleHost;
  readonly #plans = new Map<string, Plan>();
  #isDeclared = false;

  constructor(parts: ScheduleParts) {
    this.#parts = parts;
    const { store, ports, workflows } = parts;
    this.#host = {
      store,
      knows: (workflow) => workflows.has(workflow),
      planOf: (row) => this.#planOf(row),
      newToken: parts.newToken,
      startOf: (run) => parts.startOf({ ...run, version: run.version ?? this.#workflow(run.workflow).version }),
      changed: parts.changed,
    };
    this.loop = new ScheduleLoop({
      store,
      clock: ports.clock,
      logger: ports.logger,
      workflows: [...workflows.keys()],
      settle: (id) => settle(this.#host, id),
    });
  }

  /** Begins to decide, if there can be anything to decide here. */
  async start(): Promise<void> {
    if (!this.#canDecide) return;
    await this.declare();
    this.loop.start();
  }

  /** For an engine without loops: decides what is due. */
  async tick(isOver: () => boolean): Promise<{ readonly more: boolean; readonly nextAt: number | null }> {
    if (!this.#canDecide) return { more: false, nextAt: null };
    await this.declare();
    const { due, nextAt } = await this.loop.settleDue(isOver);
    return { more: due.length > 0, nextAt };
  }

  get #canDecide(): boolean {
    return this.#parts.times !== null && this.#parts.workflows.size > 0;
  }

  // ---- What code declares ----

  /**
   * Refuses definitions that are wrong.
   *
   * @throws DefinitionError
   */
  async check(): Promise<void> {
    const ids = new Set<string>();
    for (const declared of this.#parts.declared ?? []) {
      if (!isSchedule(declared)) throw invalidOption("schedules", "a list of what `schedule(...)` returned", declared);
      const { id } = declared;
      if (ids.has(id)) throw invalidOption("schedules", "a list with each id once", `${id} twice`);
      ids.add(id);
      this.#workflow(declared.workflow.name);
      await this.#stored(declared);
    }
  }

  /** Invariant I1. Not a promise that calls share: in an isolate one request must not wait for another's. */
  async declare(): Promise<void> {
    if (this.#isDeclared) return;
    await this.#declare();
    this.#isDeclared = true;
  }

  async #declare(): Promise<void> {
    const { declared } = this.#parts;
    if (declared === null) return;
    const rows = new Map<string, ScheduleRow>();
    for (let after: string | null = null; ; ) {
      const page: ScheduleRow[] = await this.#parts.store.listSchedules({ after, limit: PAGE });
      for (const row of page) rows.set(row.id, row);
      if (page.length < PAGE) break;
      after = page.at(-1)?.id ?? null;
    }
    for (const definition of declared) await this.#declareOne(definition, rows.get(definition.id));
    const ids = new Set(declared.map(({ id }) => id));
    for (const { id, source, workflow, pausedAt } of rows.values()) {
      const hasLeft = source === "code" && !ids.has(id) && this.#parts.workflows.has(workflow);
      if (hasLeft && pausedAt === null) await this.#edit(id, ({ now }) => ({ pausedAt: now, note: LEFT_CODE }));
    }
  }

  async #declareOne(declared: ScheduleDefinition, row: ScheduleRow | undefined): Promise<void> {
    const { id, workflow, options } = declared;
    const definition = definitionText(await this.#stored(declared));
    const wanted = { workflow: workflow.name, version: options.version ?? null, definition, source: "code" } as const;
    if (row === undefined) {
      await this.#create(id, wanted);
      return;
    }
    const isBack = row.pausedAt !== null && row.note === LEFT_CODE;
    const isSame = (Object.keys(wanted) as (keyof typeof wanted)[]).every((name) => row[name] === wanted[name]);
    if (!isSame || isBack)
      await this.#edit(id, () => ({ ...wanted, ...(isBack ? { pausedAt: null, note: null } : {}) }));
  }

  #stored({ workflow, options }: ScheduleDefinition): Promise<StoredDefinition> {
    const { version, ...rest } = options;
    const asked = version === undefined ? null : checkProgramId(workflow.name, version).version;
    return this.#definitionOf(workflow.name, asked, rest as Given);
  }

  // ---- What users do ----

  async create<Input>(options: api.NewScheduleOptions<Input>): Promise<api.ScheduleInfo> {
    await this.#ready();
    // The types are for whoever writes it in TypeScript; what has come is looked at field by field.
    const { id: given, workflow, version, ...rest } = options as unknown as GivenSchedule;
    const id = checkPathName("the id of a schedule", given);
    const ref = this.#workflow(typeof workflow === "string" ? workflow : workflow.name);
    const pinned = version === undefined ? null : checkName("the version of a workflow", version);
    const definition = definitionText(await this.#definitionOf(ref.name, pinned, rest));
    const wanted = { workflow: ref.name, version: pinned, definition, source: "api" } as const;
    const { row, isNew } = await this.#create(id, wanted);
    if (!isNew && (row.definition !== definition || row.workflow !== ref.name || row.version !== pinned)) {
      throw new errors.ConflictError(
        "SCHEDULE_EXISTS",
        `expected no schedule ${JSON.stringify(id)}, but there is one with another definition; update it, or take another id`,
        { id },
      );
    }
    this.loop.nudge();
    return this.#info(row);
  }

  async #create(
    id: string,
    wanted: Pick<ScheduleRow, "workflow" | "version" | "definition" | "source">,
  ): Promise<{ readonly row: ScheduleRow; readonly isNew: boolean }> {
    const now = Math.floor(await this.#parts.now());
    const token = this.#parts.newToken();
    const { timetable } = this.#planOf({ id, definition: wanted.definition });
    const nextAt = nextDue(timetable, now);
    const times = { cursor: now, nextAt, createdAt: now, updatedAt: now };
    const row = await this.#parts.store.createSchedule({ id, ...wanted, token, pausedAt: null, note: null, ...times });
    return { row, isNew: row.token === token };
  }

  async get(id: string): Promise<api.ScheduleInfo | null> {
    await this.#ready();
    const view = await this.#parts.store.getSchedule(checkId(id));
    return view === null ? null : this.#info(view.row);
  }

  async list(options: { readonly limit?: number; readonly cursor?: string } = {}): Promise<api.SchedulesPage> {
    await this.#ready();
    const limit = this.#parts.checkLimit(options.limit);
    const after = options.cursor === undefined ? null : checkName("the cursor of a list", options.cursor);
    const rows = await this.#parts.store.listSchedules({ after, limit: limit + 1 });
    const schedules = rows.slice(0, limit).map((row) => this.#info(row));
    return { schedules, cursor: rows.length > limit ? (schedules.at(-1)?.id ?? null) : null };
  }

  async update(id: string, changes: api.ScheduleChanges): Promise<api.ScheduleInfo> {
    await this.#ready();
    const { row } = await this.#view(id);
    const { version, input, ...rest } = changes as Given;
    const before = this.#planOf(row).definition;
    const { policy, windowMs, max, graceMs } = { ...before.policy, policy: before.policy.catchUp };
    const given = {
      ...before.spec,
      overlap: before.policy.overlap,
      catchUp: { policy, window: windowMs, max, grace: graceMs },
      tags: before.tags,
      ...(before.deadlineMs === null ? {} : { deadline: before.deadlineMs }),
      input: decodePayload(before.input),
      ...rest,
    };
    const kept = Object.fromEntries(
      Object.entries(given).filter(([name, value]) => name === "input" || value !== null),
    );
    const isKept = version === undefined;
    const pinned = version === null || isKept ? null : checkName("the version of a workflow", version);
    const wanted = isKept ? row.version : pinned;
    const sameInput = Object.hasOwn(changes, "input") ? {} : { stored: before.input };
    const definition = definitionText(await this.#definitionOf(row.workflow, wanted, { ...kept, input }, sameInput));
    return this.#info((await this.#edit(id, () => ({ version: wanted, definition }))).row);
  }

  async pause(id: string, options: { readonly note?: string } = {}): Promise<api.ScheduleInfo> {
    await this.#ready();
    const note = options.note === undefined ? null : checkName("the note of a pause", options.note);
    const settled = await this.#edit(id, ({ row, now }) =>
      row.pausedAt === null ? { pausedAt: now, note } : note === null ? {} : { note },
    );
    return this.#info(settled.row);
  }

  async resume(id: string): Promise<api.ScheduleInfo> {
    await this.#ready();
    const settled = await this.#edit(id, ({ row }) => (row.pausedAt === null ? {} : { pausedAt: null, note: null }));
    return this.#info(settled.row);
  }

  async trigger(id: string): Promise<api.TriggerResult> {
    await this.#ready();
    const { row } = await this.#view(id);
    this.#workflow(row.workflow);
    const settled = await this.#settle(id, async (view) => ({
      firings: [await this.#manual(view)],
    }));
    const firing = settled.firings.find(({ lane }) => lane === "manual") as FiringRow;
    return { runId: firing.runId as string, at: firing.at };
  }

  /** A run that somebody asks for, at an instant at which nobody has. */
  async #manual({ row, now }: ScheduleView): Promise<RuledFiring> {
    let at = now;
    while ((await this.#parts.store.getFiring(row.id, "manual", at)) !== null) at++;
    return {
      ...{ at, lane: "manual", cause: "manual", until: null, instants: 1, decision: "fired", reason: null },
      isOpen: this.#planOf(row).definition.policy.overlap !== "allow",
    };
  }

  async backfill(id: string, options: api.BackfillOptions): Promise<api.BackfillResult> {
    await this.#ready();
    const { row } = await this.#view(id);
    this.#workflow(row.workflow);
    const from = instantOf("from", options.from);
    const until = instantOf("until", options.until);
    const overlap = checkOverlap("overlap", options.overlap ?? "queue-all", ["queue-all", "allow"]);
    const instants = this.#times.within(this.#planOf(row).schedule, from, until, BACKFILL_MAX + 1);
    if (instants.length > BACKFILL_MAX) {
      throw new errors.LimitError(
        "BACKFILL_LIMIT",
        `expected at most ${BACKFILL_MAX} instants from ${from} to ${until}, but there are more; ask for a shorter range, then for the next`,
        { id, max: BACKFILL_MAX },
      );
    }
    let known = 0;
    await this.#settle(id, async () => {
      const firings: RuledFiring[] = [];
      const asked = await this.#backfilled(id, from, until);
      for (const at of instants) {
        if (asked.has(at)) continue;
        const common = { at, lane: "backfill", cause: "backfill", until: null, instants: 1 } as const;
        firings.push(
          overlap === "allow"
            ? { ...common, decision: "fired", reason: null, isOpen: false }
            : { ...common, decision: "waiting", reason: "behind the instants before it", isOpen: true },
        );
      }
      known = instants.length - firings.length;
      return firings.length === 0 ? {} : { firings };
    });
    return { instants: instants.length, known };
  }

  /** Instants of a range that were asked for before. */
  async #backfilled(scheduleId: string, from: number, until: number): Promise<Set<number>> {
    const found = new Set<number>();
    for (let before: Pick<FiringRow, "at" | "lane"> = { at: until, lane: "backfill" }; ; ) {
      const page = await this.#parts.store.listFirings({ scheduleId, decision: null }, { before, limit: PAGE });
      for (const { at, lane } of page) if (lane === "backfill") found.add(at);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE || last.at < from) return found;
      before = last;
    }
  }

  async delete(id: string): Promise<void> {
    await this.#ready();
    await this.#view(id);
    await this.#parts.store.deleteSchedule(id);
  }

  async next(id: string, options: { readonly count?: number; readonly after?: Date | number } = {}): Promise<number[]> {
    await this.#ready();
    const { row, now } = await this.#view(id);
    const given = options.count === undefined ? {} : { count: options.count };
    const { count } = checkNumbers("next", given, NEXT_COUNT, { count: [1, 1_000] });
    const after = options.after === undefined ? Math.max(now, row.cursor) : instantOf("after", options.after);
    const { schedule } = this.#planOf(row);
    return this.#times.within(schedule, after + 1, Number.POSITIVE_INFINITY, count);
  }

  async firings(
    id: string,
    options: { readonly decision?: FiringRow["decision"]; readonly limit?: number; readonly cursor?: string } = {},
  ): Promise<api.FiringsPage> {
    await this.#ready();
    await this.#view(id);
    const limit = this.#parts.checkLimit(options.limit);
    const before = options.cursor === undefined ? null : firingCursor(options.cursor);
    const filter = { scheduleId: id, decision: checkDecision(options.decision) };
    const rows = await this.#parts.store.listFirings(filter, { before, limit: limit + 1 });
    const last = rows[limit - 1];
    const cursor = rows.length > limit && last !== undefined ? `${last.at} ${last.lane}` : null;
    return { firings: rows.slice(0, limit).map(firingInfo), cursor };
  }

  async why(id: string, instant: Date | number): Promise<api.InstantInfo> {
    await this.#ready();
    const view = await this.#view(id);
    const at = instantOf("instant", instant);
    const recorded = await this.#parts.store.getFiring(id, "schedule", at);
    const { decision, reason, runId } = explain(this.#planOf(view.row), view, at, recorded);
    return { at, decision, reason, runId };
  }

  // ---- Inside ----

  async #ready(): Promise<void> {
    this.#parts.checkOpen();
    if (this.#parts.times === null) throw noTimes();
    await this.declare();
  }

  async #view(id: string): Promise<ScheduleView> {
    const view = await this.#parts.store.getSchedule(checkId(id));
    if (view === null) throw notFound(id);
    return view;
  }

  async #edit(id: string, change: (view: ScheduleView) => NonNullable<Edit["row"]>): Promise<Settled> {
    return await this.#settle(id, (view) => ({ row: change(view) }));
  }

  async #settle(id: string, edit: (view: ScheduleView) => Edit | Promise<Edit>): Promise<Settled> {
    const settled = await settle(this.#host, checkId(id), edit);
    if (settled === null) throw notFound(id);
    this.loop.nudge();
    return settled;
  }

  get #times(): ScheduleTimes {
    if (this.#parts.times === null) throw noTimes();
    return this.#parts.times;
  }

  #workflow(name: string): WorkflowRef {
    const found = this.#parts.workflows.get(name);
    if (found !== undefined) return found;
    const known = [...this.#parts.workflows.keys()].sort().join(", ") || "none";
    throw new errors.NotFoundError(
      "WORKFLOW_UNKNOWN",
      `expected a schedule of a registered workflow, but found ${JSON.stringify(name)}; registered: ${known}`,
      { name },
    );
  }

  #planOf({ id, definition }: Pick<ScheduleRow, "id" | "definition">): Plan {
    const key = `${id}\0${definition}`;
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    if (this.#plans.size >= PLANS_MAX) this.#plans.clear();
    const plan = planOf(this.#times, id, definition);
    this.#plans.set(key, plan);
    return plan;
  }

  async #definitionOf(
    workflow: string,
    version: string | null,
    given: Given,
    { stored }: { readonly stored?: Payload } = {},
  ): Promise<StoredDefinition> {
    const { overlap, catchUp, tags, deadline, input, ...spec } = given;
    const policy = checkPolicy(overlap, catchUp);
    return {
      spec: this.#times.parse(spec).spec,
      policy,
      input: stored ?? (await this.#parts.inputOf(workflow, version, input)),
      tags: tags === undefined ? NO_TAGS : checkTags(tags as Parameters<typeof checkTags>[0]),
      deadlineMs: deadline === undefined ? null : parseDuration(deadline as Parameters<typeof parseDuration>[0]),
    };
  }

  #info(row: ScheduleRow): api.ScheduleInfo {
    const { definition, schedule } = this.#planOf(row);
    const { overlap, catchUp, ...late } = definition.policy;
    const { id, workflow, version, source, generation, pausedAt, note, nextAt, cursor, waiting } = row;
    return {
      ...{ id, workflow, version, source, generation, nextAt, waiting, overlap },
      spec: definition.spec,
      description: this.#times.describe(schedule),
      catchUp: { policy: catchUp, ...late },
      input: decodePayload(definition.input),
      tags: definition.tags,
      deadlineMs: definition.deadlineMs,
      paused: pausedAt === null ? null : { at: pausedAt, note },
      decidedUntil: cursor,
      createdAt: row.createdAt,
      updatedAt: row.updatedAt,
    };
  }
}

function firingInfo({ scheduleId: _, isOpen: __, generation: ___, ...firing }: FiringRow): api.FiringInfo {
  return firing;
}

function checkId(id: string): string {
  return checkPathName("the id of a schedule", id);
}

function instantOf(what: string, instant: Date | number): number {
  const at = instant instanceof Date ? instant.getTime() : instant;
  if (Number.isSafeInteger(at)) return at;
  throw invalidOption(what, "a Date, or milliseconds since the epoch", instant);
}

const DECISIONS: readonly FiringRow["decision"][] = ["fired", "skipped", "waiting"];

function checkDecision(decision: FiringRow["decision"] | undefined): FiringRow["decision"] | null {
  if (decision === undefined || DECISIONS.includes(decision)) return decision ?? null;
  throw invalidOption("decision", `one of ${DECISIONS.join(", ")}`, decision);
}

function firingCursor(cursor: string): { readonly at: number; readonly lane: FiringRow["lane"] } {
  const [, at, lane] = /^(-?\d{1,16}) (schedule|backfill|manual)$/.exec(cursor) ?? [];
  if (at === undefined) throw invalidOption("cursor", "what the page before returned", cursor);
  return { at: Number(at), lane: lane as FiringRow["lane"] };
}

function notFound(id: string): errors.NotFoundError {
  return new errors.NotFoundError(
    "SCHEDULE_NOT_FOUND",
    `expected a schedule ${JSON.stringify(id)}, but there is none`,
    {
      id,
    },
  );
}

function noTimes(): errors.DefinitionError {
  return new errors.DefinitionError(
    "SCHEDULES_OFF",
    "expected an engine that can compute timetables, but this one was made without; in an isolate give createEngine what `schedule(...)` returned, or `times: scheduleTimes` of varve",
  );
}
