import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../runtimes/bundle.ts";

const SRC = join(ROOT, "src");

/** The command line has texts of its own; its exit codes are what others rely on. */
const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter(
  (path) => path.endsWith(".ts") && !path.startsWith("cli/"),
);

/** Codes are the only texts of this form in the sources. */
const CODE = /"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"/g;

/** Names of secrets in examples look like them. */
const SECRET_NAMES = /\benv\("[^)]*\)/g;

/** What the client reads of another package's errors, and what a body's own error is called by default. */
const NOT_OURS = new Set(["CLIENT_CLOSED"]);
const WITHOUT_UNDERSCORE = ["TERMINAL", "RETRYABLE", "UNAUTHENTICATED"];

it("docs/GUARANTEES.md lists every error code, and none that does not exist", () => {
  const text = readFileSync(`${ROOT}docs/GUARANTEES.md`, "utf8");
  const listed = [...text.slice(text.indexOf("## Error codes")).matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(
    ([, code]) => code,
  );
  const thrown = files.flatMap((path) =>
    [...readFileSync(join(SRC, path), "utf8").replaceAll(SECRET_NAMES, "").matchAll(CODE)].map(([, code]) =>
      String(code),
    ),
  );
  const codes = new Set([...thrown.filter((code) => !NOT_OURS.has(code)), ...WITHOUT_UNDERSCORE]);
  expect(listed.sort()).toEqual([...codes].sort());
});
