// Builds dist/ from src/: the publishable package.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = (command, ...args) => execFileSync(command, args, { cwd: root, stdio: "inherit" });

run(process.execPath, "scripts/migrations.mjs", "--check");
rmSync(new URL("../dist", import.meta.url), { recursive: true, force: true });
run(process.execPath, "node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json");
chmodSync(new URL("../dist/cli/main.js", import.meta.url), 0o755);

// As npm does it for a package that is installed: so `npx varve` is this one, in a clone too. Windows has no such links.
if (process.platform !== "win32") {
  const bin = new URL("../node_modules/.bin/", import.meta.url);
  mkdirSync(bin, { recursive: true });
  rmSync(new URL("varve", bin), { force: true });
  symlinkSync("../../dist/cli/main.js", new URL("varve", bin));
}
