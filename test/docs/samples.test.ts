/** Compiles the TypeScript of these pages: each block as a program, after a head that says what stands around it. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transform } from "esbuild";
import * as varve from "varve";
import { type TestEngine, type TestEngineOptions, testEngine } from "varve/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { ROOT } from "../runtimes/bundle.ts";

/** What blocks take from around them, by the page, in the order of its blocks. */
const HEADS: Readonly<Record<string, readonly string[]>> = {
  "README.md": [
    `type Charge = { readonly idempotencyKey: string; readonly signal: AbortSignal };
     type Order = { id: string; cents: number };
     declare function pay(order: Order, charge: Charge): Promise<string>;
     declare function printLabel(order: Order): Promise<string>;
     declare function sendInvoice(receipt: string): Promise<string>;`,
    `import type { RunEvent, Workflow } from "varve";
     declare const fulfil: Workflow<{ id: string }, unknown>;
     declare const recorded: readonly RunEvent[];
     declare const expect: (found: unknown) => { toHaveLength(length: number): void };`,
    `import { withEnv } from "varve";
     import { simulate, type SimulatedWorld } from "varve/testing";
     interface Shop { readonly charges: readonly number[] }
     declare function fakeShop(sim: SimulatedWorld): Shop;
     const fulfil = withEnv<Shop>().workflow({ name: "fulfil" }, async (_, order: { id: string; cents: number }) => order.id);
     declare const expect: (found: unknown) => { toHaveLength(length: number): void };`,
    `import type { Engine, RunEvent, Workflow } from "varve";
     declare const engine: Engine;
     declare const fulfil: Workflow<string, unknown, unknown, { approval: { by: string } }>;
     declare const input: string;
     declare const idempotencyKey: string;
     declare const position: number;
     declare function index(event: RunEvent): void;
     declare const metrics: { count(key: string | null): void };`,
    `import { cel, env, schedule, stripe, webhook, workflow, type RunHandle, type Workflow } from "varve";
     import { z } from "zod";
     import { createEngine } from "varve/node";
     const Order = z.object({ id: z.string(), total: z.number(), customer: z.string() });
     declare const report: Workflow<unknown, unknown>;
     declare const fulfil: Workflow<unknown, unknown>;
     declare const db: string;
     declare const run: RunHandle;
     declare function book(order: z.infer<typeof Order>, paid: unknown): Promise<string>;`,
    `import type { Hono } from "hono";
     import type { Engine } from "varve";
     declare const engine: Engine;
     declare const parent: Hono;`,
  ],
  "docs/WEBHOOKS.md": [
    `import type { Workflow } from "varve";
     declare const triage: Workflow<{ event: string | undefined; payload: unknown }, unknown>;`,
    `import type { Hook, Workflow } from "varve";
     import { createEngine } from "varve/node";
     declare const db: string;
     declare const workflows: readonly Workflow<never, unknown>[];
     declare const hooks: readonly Hook[];
     declare const vault: { read(name: string): Promise<string> };`,
  ],
  "docs/OUTGOING.md": [
    `import type { Workflow } from "varve";
     declare const charge: Workflow<unknown, unknown>;`,
  ],
  "docs/SCHEDULES.md": [
    `import type { Workflow } from "varve";
     declare const report: Workflow<{ customer: string }, unknown>;
     declare const tidy: Workflow<undefined, unknown>;`,
  ],
  "docs/MESSAGES.md": [
    `import { cel, type Engine, workflow } from "varve";
     declare const engine: Engine;
     declare const event: { readonly id: string };
     declare function print(order: string): string;`,
  ],
  "docs/LIMITS.md": [
    `import { workflow } from "varve";
     import { createEngine } from "varve/node";
     import { z } from "zod";
     const Order = z.object({ customer: z.string(), express: z.boolean() });
     declare function print(order: z.infer<typeof Order>): string;`,
    `import type { Workflow } from "varve";
     import { createEngine } from "varve/node";
     declare const db: string;
     declare const workflows: readonly Workflow<unknown, unknown>[];`,
  ],
};

const fileOf = (page: string, i: number) => `${page.replaceAll(/\W/g, "-")}-${i}.ts`;

function blocksOf(page: string): string[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, block]) => block as string);
}

let folder: string;
let found: string;

beforeAll(async () => {
  mkdirSync(join(ROOT, ".tmp"), { recursive: true });
  folder = mkdtempSync(join(ROOT, ".tmp/samples-"));
  const config = {
    extends: "../../tsconfig.json",
    // A sample shows a part of a program.
    compilerOptions: { rootDir: "../..", noUnusedLocals: false, noUnusedParameters: false },
    include: ["*.ts"],
    exclude: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  for (const [page, heads] of Object.entries(HEADS)) {
    for (const [i, block] of blocksOf(page).entries()) {
      writeFileSync(join(folder, fileOf(page, i)), `${heads[i] ?? ""}\n${block}\nexport {};\n`);
    }
  }
  // One that is wrong, so that a compiler that looks at nothing is found out.
  writeFileSync(
    join(folder, "wrong.ts"),
    'import { workflow } from "varve";\nworkflow({ nam: "x" }, async () => 1);\n',
  );
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  found = await new Promise((resolve) => {
    const options = { cwd: ROOT, maxBuffer: 2 ** 26 };
    execFile(process.execPath, [tsc, "-p", folder, "--pretty", "false"], options, (_, stdout) => resolve(stdout));
  });
}, 180_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the compiler says of a file. */
const errorsOf = (file: string) => found.split("\n").filter((line) => line.includes(`${file}(`));

describe("samples of code compile", () => {
  for (const [page, heads] of Object.entries(HEADS)) {
    it(page, () => {
      expect(blocksOf(page)).toHaveLength(heads.length);
      for (const i of heads.keys()) expect(errorsOf(fileOf(page, i)), blocksOf(page)[i]).toEqual([]);
    });
  }

  it("and one that is wrong does not", () => {
    expect(errorsOf("wrong.ts")).toMatchObject([expect.stringContaining("'nam' does not exist")]);
  });
});

const plain = (name: string) => varve.workflow({ name }, async (_, input: unknown) => input as never);

/** What the samples find around them when they run; engines are those of tests. */
function surroundings(opened: (t: TestEngine) => void): Record<string, unknown> {
  const secrets = () => "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";
  const open = async (options: TestEngineOptions) => {
    const t = await testEngine({ ...options, secrets });
    opened(t);
    return t;
  };
  return {
    ...varve,
    z,
    createEngine: open,
    db: "file:varve.db",
    charge: plain("charge"),
    event: { id: "evt-1" },
    print: () => "label",
    book: () => "booked",
    ...{ report: plain("report"), tidy: plain("tidy"), fulfil: plain("fulfil"), triage: plain("triage") },
    run: { why: async () => ({ waitsFor: [] }) },
    Order: z.looseObject({ customer: z.string() }),
  };
}

describe("samples of code run", () => {
  const ran = [
    ["README.md", 4],
    ["docs/WEBHOOKS.md", 0],
    ["docs/OUTGOING.md", 0],
    ["docs/SCHEDULES.md", 0],
    ["docs/MESSAGES.md", 0],
    ["docs/LIMITS.md", 0],
  ] as const;
  for (const [page, i] of ran) {
    it(`${page}, ${i + 1}`, async () => {
      const source = (blocksOf(page)[i] ?? "").replaceAll(/^import .*$/gm, "").replaceAll(/^export /gm, "");
      const { code } = await transform(source, { loader: "ts" });
      const engines: TestEngine[] = [];
      const engine = await testEngine({ workflows: [] });
      const names = { ...surroundings((t) => engines.push(t)), ...(source.includes("createEngine") ? {} : { engine }) };
      await new Function(...Object.keys(names), `return (async () => {${code}})()`)(...Object.values(names));
      expect(engines).toHaveLength(source.includes("createEngine") ? 1 : 0);
      for (const t of [engine, ...engines]) await t.close();
    });
  }
});
