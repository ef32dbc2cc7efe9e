#!/usr/bin/env node
/** The `varve` command. */
import process from "node:process";
import { type Command, CommanderError } from "commander";
import { EXIT } from "./exit-codes.ts";
import { endOnBrokenPipe, flushed } from "./output.ts";
import { createProgram } from "./program.ts";

const isJson = process.argv.includes("--json");

endOnBrokenPipe();
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
