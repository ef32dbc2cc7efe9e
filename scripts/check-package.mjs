// Packs the built package, installs it in an empty folder as a user would, imports every export there, runs a workflow,
// and compiles a consumer under both module resolutions that users have.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { exports, bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const entries = Object.keys(exports)
  .filter((name) => !name.endsWith(".json"))
  .map((name) => name.replace(/^\./, "varve"));

const USE = `
import { workflow } from "varve";
import { createEngine } from "varve/node";
const greet = workflow({ name: "greet" }, async (ctx, input) => {
  const text = await ctx.step("compose", () => "Hello, " + input.name);
  await ctx.sleep("pause", 5);
  return text;
});
const engine = await createEngine({ db: "file:log.db", workflows: [greet] });
const run = await engine.start(greet, { name: "Ada" });
const result = await run.result({ timeout: "30s" });
await engine.close();
if (result !== "Hello, Ada") throw new Error("expected a greeting, but found " + result);
`;

const CONSUMER = `
import { type Ctx, type RunEvent, workflow } from "varve";
import { createEngine } from "varve/node";
${entries.map((name, i) => `import * as entry${i} from "${name}";`).join("\n")}
export const all = [${entries.map((_, i) => `entry${i}`).join(", ")}];
const greet = workflow({ name: "greet" }, async (ctx: Ctx, input: { name: string }) =>
  ctx.step("compose", () => ({ text: input.name, at: new Date() })));
const engine = await createEngine({ db: "file:log.db", workflows: [greet] });
const run = await engine.start(greet, { name: "Ada" });
export const result: { text: string; at: Date } = await run.result();
// @ts-expect-error the result is no number: types are there, and none of them is any
export const wrong: number = await run.result();
export const types: RunEvent["type"][] = (await run.history()).map((event) => event.type);
`;

const folder = mkdtempSync(join(tmpdir(), "varve-package-"));
const run = (command, ...args) => execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: "pipe" });
try {
  const [{ filename }] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--pack-destination", folder], { cwd: root, encoding: "utf8" }),
  );
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  run("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", `./${filename}`);

  const imports = entries.map(
    (name) => `if (Object.keys(await import("${name}")).length === 0) throw new Error("${name} exports nothing");`,
  );
  writeFileSync(join(folder, "imports.mjs"), imports.join("\n"));
  run(process.execPath, "imports.mjs");
  writeFileSync(join(folder, "use.mjs"), USE);
  run(process.execPath, "use.mjs");
  for (const name of Object.keys(bin)) run(join(folder, "node_modules/.bin", name), "--version");

  writeFileSync(join(folder, "consumer.ts"), CONSUMER);
  const common = {
    target: "es2022",
    lib: ["es2023", "dom"],
    types: [],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  };
  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ]) {
    const compilerOptions = { ...common, module, moduleResolution };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["consumer.ts"] }));
    run(process.execPath, join(root, "node_modules/typescript/bin/tsc"), "-p", ".", "--pretty", "false");
  }
  console.log(`${filename}: ${entries.length} entries import, run and compile`);
} catch (error) {
  console.error(`${error.message}\n${error.stdout ?? ""}${error.stderr ?? ""}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
