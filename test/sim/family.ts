/** A run and all that it has started, as their histories tell it. */
import type { EventRow, ParentLink } from "../../src/kernel/events.ts";

/**
 * By the way that leads to each run: the keys of the calls that started it and those before it. Ids are others in each life.
 * A call that was made again, because its run was retried, has started another run under the same key: it is numbered.
 */
export type Family = ReadonlyMap<string, readonly EventRow[]>;

/** @param histories in the order in which their runs were created */
export function familyOf(histories: readonly (readonly EventRow[])[]): Family {
  const family = new Map<string, readonly EventRow[]>();
  const paths = new Map<string, string>();
  for (const history of histories) {
    const [created] = history;
    if (created === undefined) continue;
    const { parent } = JSON.parse(created.data ?? "{}") as { readonly parent?: ParentLink };
    const path = parent === undefined ? "the run" : `${paths.get(parent.runId)} > ${parent.key}`;
    const nth = [...paths.values()].filter((each) => each === path).length + 1;
    paths.set(created.runId, path);
    family.set(nth === 1 ? path : `${path} (${nth})`, history);
  }
  return family;
}
