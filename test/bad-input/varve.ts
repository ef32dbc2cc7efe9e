/**
 * The command in this process: its verbs end by `process.exit`, which is stood in for, as are its streams. Verbs that go on
 * for ever are only parsed.
 */
import { type Command, CommanderError } from "commander";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { createProgram } from "../../src/cli/program.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

class Exited extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** What the command prints and ends with. */
export async function varve(args: readonly string[]): Promise<Outcome> {
  const texts = { stdout: "", stderr: "" };
  const { exit, stdout, stderr } = process;
  const writes = { stdout: stdout.write, stderr: stderr.write };
  for (const name of ["stdout", "stderr"] as const) {
    process[name].write = ((text: string, done?: () => void) => {
      texts[name] += text;
      done?.();
      return true;
    }) as typeof stdout.write;
  }
  process.exit = ((code: number) => {
    throw new Exited(code);
  }) as typeof process.exit;
  const isJson = args.includes("--json");
  try {
    const program = createProgram();
    for (const command of withInner(program)) {
      command.exitOverride().showHelpAfterError("(--help says more)");
      if (unending.includes(command.name())) command.action(() => {});
    }
    await program.parseAsync(["node", "varve", ...args]);
    return { code: EXIT.ok, ...texts };
  } catch (error) {
    if (error instanceof Exited) return { code: error.code, ...texts };
    if (!(error instanceof CommanderError)) throw error;
    // As `main.ts` does it.
    const message = isJson ? JSON.stringify({ error: { code: "USAGE", message: error.message } }) : texts.stderr;
    return { code: error.exitCode === 0 ? EXIT.ok : EXIT.usage, stdout: texts.stdout, stderr: message };
  } finally {
    process.exit = exit;
    stdout.write = writes.stdout;
    stderr.write = writes.stderr;
  }
}

const unending = ["serve", "dev", "watch"];

function withInner(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withInner)];
}
