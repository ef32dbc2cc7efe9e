/** What the schemes share whose sender shows a secret instead of signing: whoever sees one request can send others. */
import { isSameText } from "../kernel/text.ts";

/**
 * Whether `found` is any of `expected`, of which every one is tried, so that the time tells nothing but lengths. An empty
 * one proves nothing.
 */
export function isAnyText(expected: readonly string[], found: string): boolean {
  let isFound = false;
  for (const each of expected) if (isSameText(found, each) && each !== "") isFound = true;
  return isFound;
}
