/**
 * A workload that is measured in parts, on demand: so two processes can take turns, and what slows the machine for a while
 * slows both sides of a ratio.
 */
import { createInterface } from "node:readline";

export interface Session {
  /** What it tells once it is warm. */
  readonly opening: unknown;
  /** Measures one part. */
  part(): Promise<unknown>;
  close(): Promise<void>;
}

/** Serves `session` to the process that started this one: a line of JSON for the opening, and one for each line it is sent. */
export async function serve(session: Session): Promise<void> {
  const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
  print(session.opening ?? null);
  for await (const _ of createInterface({ input: process.stdin })) print(await session.part());
  await session.close();
}
