/** SIGINT and SIGTERM: the first asks the process to stop, the second stops it. */
import process from "node:process";
import { EXIT } from "./exit-codes.ts";

export interface StopSignals {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** The exit code of a stop that the signal asked for; null: none came. */
  readonly code: () => number | null;
}

export interface StopOptions {
  /** The exit code of an orderly stop after SIGTERM: for a server that is what it was asked for. @default 143 */
  readonly terminatedCode?: number;
}

export function stopSignals({ terminatedCode = EXIT.terminated }: StopOptions = {}): StopSignals {
  const controller = new AbortController();
  let code: number | null = null;
  const on = (orderly: number, atOnce: number) => () => {
    if (code !== null) process.exit(atOnce);
    code = orderly;
    controller.abort();
  };
  process.on("SIGINT", on(EXIT.interrupted, EXIT.interrupted));
  process.on("SIGTERM", on(terminatedCode, EXIT.terminated));
  return { signal: controller.signal, code: () => code };
}
