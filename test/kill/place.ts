/** One database of a kill lane: its file, the evidence beside it, and the reads that judge them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { type VerifyReport, verify } from "../../src/history/verify.ts";
import { type EventRow, parseEvent, type RunEvent } from "../../src/kernel/events.ts";
import { BUSY_TIMEOUT_MS, Database } from "../../src/log/libsql/database.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import type { LogStore } from "../../src/log/port.ts";
import { POISONED } from "../../src/log/port-claims.ts";
import { ROOT, wholeBundleForNode } from "../runtimes/bundle.ts";
import { type BodyStart, type Repeat, readEvidence, repeatedBodies } from "../support/evidence.ts";
import { realPorts } from "../support/ports.ts";

const ENDED = "('completed', 'failed', 'cancelled')";

/** On a slow machine the processes that are judged can keep their file from its reader for long. */
const BUSY_MS_MAX = 60_000;

const EVENTS_PAGE = 1_000;

export class Place {
  readonly folder: string;
  readonly path: string;
  readonly evidence: string;
  /** What its processes were told is written. */
  readonly acknowledged: string;
  readonly store: LogStore;
  readonly #db: Database;

  private constructor(folder: string) {
    this.folder = folder;
    this.path = join(folder, "log.db");
    this.evidence = join(folder, "evidence.jsonl");
    this.acknowledged = join(folder, "acknowledged.jsonl");
    for (const file of [this.evidence, this.acknowledged]) writeFileSync(file, "");
    const client = createClient({ url: `file:${this.path}`, concurrency: 1, timeout: BUSY_TIMEOUT_MS });
    const name = this.path;
    this.#db = new Database({ client, kind: "foreign-file", name, ports: realPorts(), busyMsMax: BUSY_MS_MAX });
    this.store = libsqlStore(this.#db);
  }

  /** A folder within the package, so that a bundle in it finds the packages that it imports. */
  static open(): Place {
    const cache = join(ROOT, "node_modules/.cache");
    mkdirSync(cache, { recursive: true });
    return new Place(mkdtempSync(join(cache, "varve-kill-")));
  }

  /** Bundles the module at `path` of this package for Node. */
  async bundle(path: string, name = "child.mjs"): Promise<string> {
    const file = join(this.folder, name);
    writeFileSync(file, (await wholeBundleForNode(path)).code);
    return file;
  }

  async close(): Promise<void> {
    await this.#db.close();
    rmSync(this.folder, { recursive: true });
  }

  async #count(sql: string): Promise<number> {
    const [row] = await this.#db.one(sql);
    return Number(row?.n);
  }

  /** How many runs are between their first and their last event. */
  underWay(): Promise<number> {
    return this.#count(`SELECT count(*) AS n FROM runs WHERE status NOT IN ${ENDED}`);
  }

  /** Runs that wait for somebody: which, why, and their last events. */
  async stuck(): Promise<{ readonly id: string; readonly isPoisoned: boolean; readonly text: string }[]> {
    const rows = await this.#db.one(`
      SELECT id, unclean, epoch, stuck, (
        SELECT group_concat(epoch || ' ' || type || ' ' || coalesce(key, '') || ' ' || at, char(10)) FROM (
          SELECT * FROM events e WHERE e.run_id = runs.id ORDER BY seq DESC LIMIT 12)) AS last
      FROM runs WHERE status = 'stuck'`);
    return rows.map(({ id, unclean, epoch, stuck, last }) => ({
      id: id as string,
      isPoisoned: (stuck as string).includes(POISONED),
      text: `${id} unclean ${unclean} epoch ${epoch}: ${stuck}\n${last}`,
    }));
  }

  /** Run ids by idempotency key, with their results. */
  async runs(): Promise<Map<string, { readonly id: string; readonly status: string; readonly output: unknown }>> {
    const rows = await this.#db.one("SELECT id, idempotency_key AS key, status, result FROM runs");
    return new Map(
      rows.map(({ id, key, status, result }) => [
        key as string,
        { id: id as string, status: status as string, output: JSON.parse(result as string)?.value },
      ]),
    );
  }

  async integrity(): Promise<unknown> {
    const rows = await this.#db.one("PRAGMA integrity_check");
    return rows.map((row) => row.integrity_check);
  }

  /** The whole log, as it is stored. */
  async rows(): Promise<EventRow[]> {
    const rows: EventRow[] = [];
    for (;;) {
      const page = await this.store.readLog({ afterPosition: rows.at(-1)?.position ?? 0, limit: EVENTS_PAGE });
      rows.push(...page);
      if (page.length < EVENTS_PAGE) return rows;
    }
  }

  /** The whole log. */
  async events(): Promise<RunEvent[]> {
    return (await this.rows()).map(parseEvent);
  }

  /** The bodies that began. */
  bodies(): BodyStart[] {
    return readEvidence(this.evidence);
  }

  async repeats(): Promise<Repeat[]> {
    return repeatedBodies(this.bodies(), await this.events());
  }

  verify(): Promise<VerifyReport> {
    return verify(this.store, { drain: (fn) => void setImmediate(fn) });
  }
}
