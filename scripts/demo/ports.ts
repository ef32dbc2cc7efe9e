import type { Ports } from "../../src/kernel/ports.ts";
import { drainByImmediate } from "../../src/runtime/drain.ts";
import { jsonLogger, systemClock, systemRandom } from "../../src/runtime/system.ts";

/** The demo's surroundings: those of a process, and only errors are told. */
export const ports: Ports = {
  clock: systemClock,
  random: systemRandom,
  drain: drainByImmediate,
  logger: jsonLogger("error", (line) => process.stderr.write(`${line}\n`)),
};
