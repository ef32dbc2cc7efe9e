/** `varve schedules delete` */
import type { Command } from "commander";
import { scheduleVerb } from "./schedule-verb.ts";

const HELP = `
Its firings go with it; its runs go on. One that is defined in code comes back when its process starts again.
--json prints { id }.

Example:
  varve schedules delete nightly`;

export function schedulesDeleteVerb(): Command {
  return scheduleVerb({
    verb: "delete",
    summary: "Deletes a schedule",
    help: HELP,
    act: async (schedules, id) => {
      await schedules.delete(id);
      return { id };
    },
    told: (id) => `schedule ${id} is deleted`,
  });
}
