#!/usr/bin/env node
/** The `varve` command. */
import process from "node:process";
import { type Command, CommanderError } from "commander";
import { EXIT } from "./exit-codes.ts";
import { endOnBrokenPipe, flushed, Output } from "./output.ts";
import { createProgram } from "./program.ts";
import { printError } from "./verb.ts";

const isJson = process.argv.includes("--json");

endOnBrokenPipe();
// What is thrown where nobody can catch it: a workflow module may start what it does not wait for.
process.on("uncaughtException", (error) => {
  printError(new Output({ json: isJson, color: !process.argv.includes("--no-color") }), error);
  process.exit(EXIT.internal);
});
const program = createProgram();
for (const command of withInner(program)) {
  command.exitOverride().showHelpAfterError("(--help says more)");
  if (isJson) command.configureOutput({ writeErr: () => {} });
}
try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  const { code, message, exitCode } = error;
  if (exitCode !== EXIT.ok && isJson) {
    const usage = {
      code: "USAGE",
      name: "UsageError",
      message: message.replace(/^error: /, ""),
      facts: { kind: code },
    };
    process.stderr.write(`${JSON.stringify({ error: usage })}\n`);
  }
  await flushed();
  process.exit(exitCode === EXIT.ok ? EXIT.ok : EXIT.usage);
}

function withInner(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withInner)];
}
