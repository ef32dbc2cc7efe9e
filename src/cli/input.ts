/** A run's input, from the command line, a file or stdin. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { DefinitionError } from "../kernel/errors.ts";

export interface InputOptions {
  /** `@file`, `-`, or JSON. */
  readonly input?: string | undefined;
  /** By name. */
  readonly field?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * The input; undefined when none is given. `name`: what it is called on the command line.
 *
 * @throws DefinitionError `INPUT_UNREADABLE`, `INPUT_INVALID`, `INPUT_TWICE`
 */
export async function readInput(name: string, { input, field }: InputOptions): Promise<unknown> {
  if (input === undefined) return field;
  if (field !== undefined) {
    throw new DefinitionError("INPUT_TWICE", `expected either ${name} or -i name=value, but found both`);
  }
  const { text, source } = await readText(name, input);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new DefinitionError(
      "INPUT_INVALID",
      `expected ${source} to be JSON, but found: ${found}; a file is named as @file.json`,
      { source },
      { cause },
    );
  }
}

async function readText(name: string, input: string): Promise<{ readonly text: string; readonly source: string }> {
  if (input === "-") return { text: await readStdin(), source: "stdin" };
  if (!input.startsWith("@")) return { text: input, source: name };
  const path = input.slice(1);
  try {
    return { text: readFileSync(path, "utf8"), source: path };
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new DefinitionError(
      "INPUT_UNREADABLE",
      `expected a file at ${path}, but found: ${found}`,
      { path },
      { cause },
    );
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString("utf8");
}
