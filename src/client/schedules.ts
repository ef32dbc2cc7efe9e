/** `engine.schedules` over HTTP. */
import type * as api from "../engine/api-schedules.ts";
import type { WireFiringsPage, WireSchedule, WireSchedulesPage } from "../http/wire-schedules.ts";
import { decodePayload, type Payload } from "../kernel/codec.ts";
import { isVarveError } from "../kernel/errors.ts";
import { checkPathName } from "../kernel/text.ts";
import { API_PATH } from "./paths.ts";
import { type Connection, requestJson } from "./request.ts";
import { valueFields } from "./value-fields.ts";

const PATH = `${API_PATH}/schedules`;

/** What is beside the spec in a definition. */
const RULES = ["id", "workflow", "version", "overlap", "catchUp", "tags", "deadline"] as const;

export class HttpSchedules implements api.Schedules {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async create<Input>(options: api.NewScheduleOptions<Input>): Promise<api.ScheduleInfo> {
    const { workflow } = options;
    const body = { ...bodyOf(options), workflow: typeof workflow === "string" ? workflow : workflow.name };
    return decodeSchedule(await this.#post(PATH, body));
  }

  async get(id: string): Promise<api.ScheduleInfo | null> {
    try {
      return decodeSchedule(await requestJson<WireSchedule>(this.#connection, { path: place(id) }));
    } catch (error) {
      if (isVarveError(error, "SCHEDULE_NOT_FOUND")) return null;
      throw error;
    }
  }

  async list(options: { readonly limit?: number; readonly cursor?: string } = {}): Promise<api.SchedulesPage> {
    const path = `${PATH}${queryOf(options)}`;
    const { schedules, cursor } = await requestJson<WireSchedulesPage>(this.#connection, { path });
    return { schedules: schedules.map(decodeSchedule), cursor };
  }

  async update(id: string, changes: api.ScheduleChanges): Promise<api.ScheduleInfo> {
    return decodeSchedule(await this.#post(place(id), bodyOf(changes)));
  }

  async pause(id: string, options: { readonly note?: string } = {}): Promise<api.ScheduleInfo> {
    return decodeSchedule(await this.#post(`${place(id)}/pause`, options));
  }

  async resume(id: string): Promise<api.ScheduleInfo> {
    return decodeSchedule(await this.#post(`${place(id)}/resume`, {}));
  }

  trigger(id: string): Promise<api.TriggerResult> {
    return this.#post(`${place(id)}/trigger`, {});
  }

  backfill(id: string, { from, until, ...rest }: api.BackfillOptions): Promise<api.BackfillResult> {
    return this.#post(`${place(id)}/backfill`, { ...rest, from: Number(from), until: Number(until) });
  }

  async delete(id: string): Promise<void> {
    await this.#post(`${place(id)}/delete`, {});
  }

  async next(id: string, options: { readonly count?: number; readonly after?: Date | number } = {}): Promise<number[]> {
    const { after, count } = options;
    const query = queryOf({ count, after: after === undefined ? undefined : Number(after) });
    const path = `${place(id)}/next${query}`;
    return (await requestJson<{ instants: number[] }>(this.#connection, { path })).instants;
  }

  async firings(
    id: string,
    options: {
      readonly decision?: api.FiringInfo["decision"];
      readonly limit?: number;
      readonly cursor?: string;
    } = {},
  ): Promise<api.FiringsPage> {
    return await requestJson<WireFiringsPage>(this.#connection, { path: `${place(id)}/firings${queryOf(options)}` });
  }

  async why(id: string, instant: Date | number): Promise<api.InstantInfo> {
    return await requestJson(this.#connection, { path: `${place(id)}/why${queryOf({ at: Number(instant) })}` });
  }

  #post<T>(path: string, body: unknown): Promise<T> {
    return requestJson<T>(this.#connection, { method: "POST", path, body });
  }
}

/** A definition as the wire has it: the fields of its spec in one of their own. */
function bodyOf(given: object): Readonly<Record<string, unknown>> {
  const { input, ...fields } = given as Readonly<Record<string, unknown>>;
  const rules = Object.entries(fields).filter(([name]) => (RULES as readonly string[]).includes(name));
  const spec = Object.entries(fields).filter(([name]) => !(RULES as readonly string[]).includes(name));
  const value = Object.hasOwn(given, "input") ? valueFields("input", input) : {};
  return { ...Object.fromEntries(rules), spec: Object.fromEntries(spec), ...value };
}

function decodeSchedule({ input, inputMeta, ...plain }: WireSchedule): api.ScheduleInfo {
  const payload = (inputMeta === undefined ? { value: input } : { value: input, meta: inputMeta }) as Payload;
  return { ...plain, input: decodePayload(payload) } as api.ScheduleInfo;
}

function place(id: string): string {
  return `${PATH}/${encodeURIComponent(checkPathName("the id of a schedule", id))}`;
}

function queryOf(fields: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
