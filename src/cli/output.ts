/**
 * What the command prints. stdout is data, stderr is everything else.
 *
 * O1 With `--json` stdout holds JSON alone, and stderr errors alone: no notes, no progress.
 * O2 Colour and aligned columns are for a terminal. A pipe gets tab-separated values without a heading.
 * O3 What comes from runs is printed without its control characters: a log must not steer the reader's terminal.
 */
import process from "node:process";
import type { WriteStream } from "node:tty";
import picocolors from "picocolors";
import { EXIT } from "./exit-codes.ts";

export type Colors = ReturnType<typeof picocolors.createColors>;

export interface OutputOptions {
  readonly json: boolean;
  /** False: `--no-color`. */
  readonly color: boolean;
}

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Applied to the padded text, on a terminal only. */
  readonly paint?: (text: string, row: Row, colors: Colors) => string;
}

export class Output {
  readonly json: boolean;
  /** For what goes to stdout. */
  readonly colors: Colors;
  /** For what goes to stderr. */
  readonly noteColors: Colors;
  readonly isTty: boolean;
  /** Whether stderr can show lines that are rewritten. */
  readonly hasLiveNotes: boolean;

  constructor({ json, color }: OutputOptions) {
    this.json = json;
    this.isTty = process.stdout.isTTY === true;
    this.colors = picocolors.createColors(color && hasColors(process.stdout));
    this.noteColors = picocolors.createColors(color && hasColors(process.stderr));
    this.hasLiveNotes = !json && process.stderr.isTTY === true && process.env.TERM !== "dumb";
  }

  /** A line for people, on stdout. */
  line(text = ""): void {
    process.stdout.write(`${text}\n`);
  }

  /** A JSON document, on stdout; several of them are NDJSON. */
  document(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** A line beside the data, on stderr. */
  note(text = ""): void {
    if (!this.json) process.stderr.write(`${text}\n`);
  }

  table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): void {
    const cells = rows.map((row) => columns.map(({ value }) => plain(value(row))));
    if (!this.isTty) {
      for (const row of cells) this.line(row.join("\t"));
      return;
    }
    const widths = columns.map(({ title }, i) =>
      Math.max(title.length, ...cells.map((row) => (row[i] as string).length)),
    );
    const pad = (text: string, i: number) => (i === columns.length - 1 ? text : text.padEnd(widths[i] as number));
    this.line(this.colors.dim(columns.map(({ title }, i) => pad(title, i)).join("  ")));
    for (const [r, row] of cells.entries()) {
      const painted = row.map((text, i) => {
        const { paint = (padded: string) => padded } = columns[i] as Column<Row>;
        return paint(pad(text, i), rows[r] as Row, this.colors);
      });
      this.line(painted.join("  ").trimEnd());
    }
  }
}

/** `FORCE_COLOR` wins over `NO_COLOR`, which wins over what the stream is. */
function hasColors(stream: WriteStream | NodeJS.WriteStream): boolean {
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  return stream.isTTY === true && TERM !== "dumb";
}

/** `text` on one line and without control characters. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/\s+/g, " ").replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, "\ufffd");
}

/** `text` with its line breaks, but without other control characters. */
export function plainLines(text: string): string {
  return text.split(/\r?\n/).map(plainKeepingSpaces).join("\n");
}

function plainKeepingSpaces(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return line.replace(/\t/g, "  ").replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, "\ufffd");
}

/** When the reader of a pipe has gone there is nobody to write to: not an error. */
export function endOnBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(process.exitCode ?? EXIT.ok);
      throw error;
    });
  }
}

/** For a server: it goes on when the reader of its output has gone. */
export function surviveBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners("error");
    stream.on("error", () => {});
  }
}

/** Resolves when what was written has left the process. */
export async function flushed(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => stream.write("", () => resolve()));
  }
}
