/** The engine's log lines on stderr: as JSON for programs, as text for people. */
import process from "node:process";
import type { Logger, LogLevel } from "../kernel/ports.ts";
import { type Output, plain } from "./output.ts";

const SHOWN: readonly LogLevel[] = ["warn", "error"];

export function loggerOf(output: Output): Logger {
  const { red, yellow, dim } = output.noteColors;
  return {
    log: (level, message, fields) => {
      if (!SHOWN.includes(level)) return;
      const line = output.json
        ? JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })
        : `${(level === "error" ? red : yellow)(`${level}:`)} ${plain(message)} ${dim(plain(JSON.stringify(fields)))}`;
      process.stderr.write(`${line}\n`);
    },
  };
}
