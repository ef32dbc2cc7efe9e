/** Results of steps that runs share. */
import { type Payload, utf8Bytes } from "../kernel/codec.ts";
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { KEYED_VALUE_BYTES_MAX } from "../kernel/keyed.ts";
import { invalidOption } from "../kernel/options.ts";
import { checkName } from "../kernel/text.ts";
import type { LiveCall } from "../worker/recorder.ts";

export interface CacheOptions {
  /** Says for what the result holds, among all results of this step in all runs of this workflow. */
  readonly key: string;
  /** How long it holds. */
  readonly ttl: Duration;
}

/** The scope of keyed values in which results are. */
const SCOPE = "cache";

/** The place of one result. */
export class Cache {
  readonly #step: string;
  readonly #key: string;
  readonly #ttlMs: number;

  /** @throws DefinitionError `NAME_INVALID`, `DURATION_INVALID`, `OPTION_INVALID` */
  constructor(step: string, { key, ttl }: CacheOptions) {
    this.#step = step;
    this.#key = checkName(`the cache key of step ${JSON.stringify(step)}`, key);
    this.#ttlMs = parseDuration(ttl);
    if (this.#ttlMs <= 0) throw invalidOption("cache.ttl", "longer than nothing", ttl);
  }

  /** Looks for a result. */
  find(call: LiveCall, found: (payload: Payload | null) => void): void {
    call.operate({
      run: (shared) => shared.get(SCOPE, this.#place(call)),
      done: ({ value }) => found(value === null ? null : (JSON.parse(value) as Payload)),
    });
  }

  /** Keeps a result, unless there is one: whoever was first is believed for as long as it holds. One that is too large is not kept. */
  keep(call: LiveCall, payload: Payload, kept: () => void): void {
    const key = this.#place(call);
    const text = JSON.stringify(payload);
    if (utf8Bytes(text) > KEYED_VALUE_BYTES_MAX) {
      kept();
      return;
    }
    const put = { scope: SCOPE, key, value: text, ttlMs: this.#ttlMs };
    call.operate({
      id: `${call.key}#cache`,
      run: async (shared) => {
        const { value, version } = await shared.get(SCOPE, key);
        if (value === null) await shared.put({ ...put, ifVersion: version });
      },
      done: kept,
    });
  }

  #place({ run: { workflow } }: LiveCall): string {
    return JSON.stringify([workflow, this.#step, this.#key]);
  }
}
