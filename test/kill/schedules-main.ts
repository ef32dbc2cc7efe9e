/**
 * A process that decides schedules over a shared file, as fast as it can, by a clock that runs fast and jumps by up to a
 * day. It runs no workflow: what it starts stays pending.
 */
import { workflow } from "../../src/ctx/workflow.ts";
import { createEngineOf } from "../../src/engine/engine.ts";
import type { EngineSchedules } from "../../src/engine/schedules.ts";
import { openLog } from "../../src/log/libsql/open.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import { scheduleTimes } from "../../src/scheduler/times.ts";
import { realPorts, seededRandom } from "../support/ports.ts";

export interface ScheduleProcess {
  readonly url: string;
  readonly seed: number;
  /** When the virtual time of all processes began: in real time, and in its own. */
  readonly began: number;
  readonly startsAt: number;
}

export type ScheduleTold = { readonly told: "deciding" };

/** How fast the clock runs. */
const SPEED = 7_200;

const DAY_MS = 86_400_000;

/** How often it jumps, milliseconds of real time. */
const JUMP_EACH_MS = 300;

const { url, seed, began, startsAt } = JSON.parse(process.argv[2] ?? "{}") as ScheduleProcess;
const random = seededRandom(seed);
const ports = realPorts(seed);
let offset = 0;
setInterval(() => {
  offset = random.float() < 0.5 ? 0 : Math.floor((random.float() * 2 - 1) * DAY_MS);
}, JUMP_EACH_MS);
const clock = { ...ports.clock, now: () => startsAt + (Date.now() - began) * SPEED + offset };

const store = await openLog(clientFor, { url, file: "shared" }, { ...ports, clock });
const minutely = workflow({ name: "minutely" }, async () => {});
const engine = await createEngineOf({
  store,
  ports: { ...ports, clock },
  workflows: [minutely as never],
  times: scheduleTimes,
});
console.log(JSON.stringify({ told: "deciding" } satisfies ScheduleTold));
for (;;) {
  await (engine.schedules as EngineSchedules).tick(() => false);
  await new Promise((resolve) => setTimeout(resolve, 5));
}
