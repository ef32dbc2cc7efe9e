/** Copies of a database in WAL whose process stands still, and what can happen to them on their way. */
import { closeSync, copyFileSync, ftruncateSync, openSync, readFileSync, statSync } from "node:fs";

/** Where SQLite's index of the write-ahead log, `<db>-shm`, says how far the log goes, and how much of it is in the file. */
const LAST_FRAME_AT = 16;
const FRAMES_IN_FILE_AT = 96;

const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const PAGE_BYTES = 4_096;

/** What a copy has of the write-ahead log's end. */
export type Cut =
  /** All of it. */
  | { readonly kind: "none" }
  /** It ends at this byte. */
  | { readonly kind: "truncated"; readonly at: number }
  /** From this byte on it is zeros: a file that was made longer before it was written. */
  | { readonly kind: "zeroed"; readonly at: number };

export interface WalState {
  /** How many bytes of the log count: what follows is left from before the log began anew. */
  readonly bytes: number;
  /** Whether the file holds a part of it already. Then the log was synced, and its loss is not what a crash leaves. */
  readonly isInFile: boolean;
}

/** How the write-ahead log of the database at `path` stands. Its process must stand still. */
export function walState(path: string): WalState {
  const index = readFileSync(`${path}-shm`);
  const frames = index.readUInt32LE(LAST_FRAME_AT);
  return {
    bytes: frames === 0 ? 0 : WAL_HEADER_BYTES + frames * (FRAME_HEADER_BYTES + PAGE_BYTES),
    isInFile: index.readUInt32LE(FRAMES_IN_FILE_AT) > 0,
  };
}

/** Copies the database at `path` to `to`, with its write-ahead log cut. The index is left out: it is made anew. */
export function copyCut(path: string, to: string, cut: Cut): void {
  copyFileSync(path, to);
  copyFileSync(`${path}-wal`, `${to}-wal`);
  if (cut.kind === "none") return;
  const { size } = statSync(`${to}-wal`);
  const file = openSync(`${to}-wal`, "r+");
  ftruncateSync(file, cut.at);
  // Lengthened, a file has zeros.
  if (cut.kind === "zeroed") ftruncateSync(file, size);
  closeSync(file);
}
