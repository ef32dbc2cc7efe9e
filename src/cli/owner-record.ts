/**
 * Where the server listens that owns a database file: `<db>-owner.json` beside it, written by `varve serve`.
 *
 * A file and not a row, so that it is found without opening somebody else's database. It outlives a server that was
 * killed, so it proves nothing: the owner lives if the server there answers with the id that the record has.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { OWNER_HEADER } from "../runtime/serve-node.ts";

export interface OwnerRecord {
  /** Names one start of a server. */
  readonly id: string;
  readonly url: string;
  readonly pid: number;
}

/** How long a server may take to say who it is, milliseconds. */
const ANSWER_MS = 2_000;

export function writeOwnerRecord(path: string, record: OwnerRecord): void {
  const partial = `${recordPath(path)}.${process.pid}`;
  writeFileSync(partial, `${JSON.stringify(record)}\n`);
  // At once: nobody reads half of it.
  renameSync(partial, recordPath(path));
}

export function removeOwnerRecord(path: string, id: string): void {
  if (readOwnerRecord(path)?.id === id) rmSync(recordPath(path), { force: true });
}

/** What the record says, whether or not it is true. */
export function readOwnerRecord(path: string): OwnerRecord | null {
  try {
    const { id, url, pid } = JSON.parse(readFileSync(recordPath(path), "utf8")) as Partial<OwnerRecord>;
    return typeof id === "string" && typeof url === "string" && typeof pid === "number" ? { id, url, pid } : null;
  } catch {
    return null;
  }
}

/** The server that owns the file at `path`, after asking it. */
export async function liveOwner(path: string): Promise<OwnerRecord | null> {
  const record = readOwnerRecord(path);
  return record !== null && (await answers(record)) ? record : null;
}

async function answers({ id, url }: OwnerRecord): Promise<boolean> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(ANSWER_MS), redirect: "error" });
    await response.body?.cancel();
    return response.headers.get(OWNER_HEADER) === id;
  } catch {
    return false;
  }
}

function recordPath(path: string): string {
  return `${path}-owner.json`;
}
