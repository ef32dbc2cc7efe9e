/** The queues of an engine: what they let in, who is in them, and how that is changed while they work. */
import { servesQueue } from "../kernel/pool.ts";
import { type QueueOptions, queueLine, queueOfLine } from "../kernel/queues.ts";
import { checkWhole, SLOTS_MAX } from "../kernel/run-rules.ts";
import { checkPathName } from "../kernel/text.ts";
import type { LogStore } from "../log/port.ts";
import type { LineSetting } from "../log/port-places.ts";
import type { WorkerRow } from "../log/port-workers.ts";
import type { QueueChange, QueueControl, QueueInfo } from "./api-queues.ts";

/** The most queues that a list shows. */
const QUEUES_LISTED_MAX = 1_000;

export interface QueueHost {
  readonly store: LogStore;
  readonly queues: ReadonlyMap<string, QueueOptions>;
  now(): Promise<number>;
  checkOpen(): void;
  /** Runs may have been admitted. */
  changed(): void;
}

export class RunQueues implements QueueControl {
  readonly #host: QueueHost;

  constructor(host: QueueHost) {
    this.#host = host;
  }

  async list(): Promise<QueueInfo[]> {
    const { store, queues, checkOpen } = this.#host;
    checkOpen();
    const set = await store.listLines({ after: queueLine(""), limit: QUEUES_LISTED_MAX });
    const known = set.flatMap(({ line }) => queueOfLine(line) ?? []);
    const names = [...new Set([...queues.keys(), ...known])].sort();
    const workers = await this.#livingWorkers();
    return await Promise.all(names.map((name) => this.#info(name, workers)));
  }

  async #livingWorkers(): Promise<WorkerRow[]> {
    const { store, now } = this.#host;
    const at = await now();
    return (await store.listWorkers()).filter(({ expiresAt }) => expiresAt > at);
  }

  async #info(name: string, living: readonly WorkerRow[]): Promise<QueueInfo> {
    const { store, queues } = this.#host;
    const line = queueLine(name);
    const [setting, counts] = [await store.getLine(line), await store.countPlaces(line)];
    const defined = queues.get(name)?.concurrency ?? null;
    const concurrency = setting?.slots ?? defined;
    const workers = living.filter((worker) => servesQueue(worker.queues, name)).length;
    return { name, concurrency, defined, paused: setting?.paused ?? false, ...counts, workers };
  }

  async set(name: string, change: QueueChange): Promise<QueueInfo> {
    const { store, checkOpen, changed } = this.#host;
    checkOpen();
    const line = queueLine(checkPathName("the name of a queue", name));
    const { concurrency, paused } = change;
    if (typeof concurrency === "number") checkWhole(`the concurrency of queue "${name}"`, concurrency, [1, SLOTS_MAX]);
    const found: LineSetting = (await store.getLine(line)) ?? { line, slots: null, paused: false };
    const slots = concurrency === undefined ? found.slots : concurrency;
    await store.setLine({ line, slots, paused: paused ?? found.paused });
    changed();
    return await this.#info(name, await this.#livingWorkers());
  }

  pause(name: string): Promise<QueueInfo> {
    return this.set(name, { paused: true });
  }

  resume(name: string): Promise<QueueInfo> {
    return this.set(name, { paused: false });
  }
}
