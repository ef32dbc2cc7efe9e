/** The labels of runs. */
import { LimitError } from "./errors.ts";
import type { Tags } from "./events.ts";
import { invalidOption } from "./options.ts";
import { checkName } from "./text.ts";

/** The most tags of a run. */
const TAGS_MAX = 32;

export const NO_TAGS: Tags = {};

/**
 * Checks the names and values of tags.
 *
 * @throws DefinitionError `NAME_INVALID`, `OPTION_INVALID`; LimitError `TAGS_LIMIT`
 */
export function checkTags(tags: Tags): Tags {
  if (typeof tags !== "object" || tags === null) throw invalidOption("tags", "texts by name", tags);
  const entries = Object.entries(tags);
  if (entries.length > TAGS_MAX) {
    throw new LimitError("TAGS_LIMIT", `expected at most ${TAGS_MAX} tags, but found ${entries.length}`, {
      max: TAGS_MAX,
      found: entries.length,
    });
  }
  for (const [name, value] of entries) {
    checkName("the name of a tag", name);
    checkName(`the value of tag "${name}"`, value);
  }
  return { ...tags };
}
