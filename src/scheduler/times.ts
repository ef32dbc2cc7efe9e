/** All that computes with schedules, as one value. Whoever defines a schedule imports it, and croner with it. */
import { describe } from "./describe.ts";
import { dueAt, instantsWithin, nextInstant } from "./next.ts";
import { parseSchedule } from "./parse.ts";
import type { ScheduleTimes } from "./spec.ts";

export const scheduleTimes: ScheduleTimes = {
  parse: parseSchedule,
  next: nextInstant,
  within: instantsWithin,
  due: dueAt,
  describe,
};
