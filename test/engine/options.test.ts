/** Options that are not as they must be: refused where they come in, by their name. */
import { join } from "node:path";
import { workflow } from "varve";
import { createEngine, type EngineOptions } from "varve/node";
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/engine/api.ts";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { newFolder, rejection } from "../log/open.ts";
import { openLab } from "../support/lab.ts";

const one = workflow({ name: "one" }, async (ctx) => ctx.step("a", () => 1));

describe("an option of a worker", () => {
  const wrong: readonly (readonly [keyof WorkerOptions, unknown])[] = [
    ["concurrency", 0],
    ["concurrency", Number.NaN],
    ["concurrency", Number.POSITIVE_INFINITY],
    ["concurrency", "many"],
    ["concurrency", null],
    ["leaseMs", 9],
    ["leaseMs", 1_500.5],
    ["hotRunsMax", -1],
    ["parkAfterMs", Number.NaN],
    ["pollMsMax", 0],
  ];
  it.each(wrong)("%s: %j is refused by its name", async (name, value) => {
    const engine = await openLab().engine({ workflows: [one], worker: false });
    const error = await rejection(engine.work({ [name]: value }));
    expect(error).toMatchObject({ code: "OPTION_INVALID", facts: { what: `worker.${name}` } });
  });

  // It is in the first event of each claim, where SQLite's JSON functions would end the process over it.
  it.each(["", "\ud800", "a\0b", "x".repeat(257), 7])("label: %j is refused", async (label) => {
    const engine = await openLab().engine({ workflows: [one], worker: false });
    await expect(engine.work({ label: label as string })).rejects.toMatchObject({ code: "NAME_INVALID" });
  });

  it("that is undefined is as one that is not given", async () => {
    const engine = await openLab().engine({ workflows: [one], worker: false });
    const worker = await engine.work({ concurrency: undefined, label: undefined } as object);
    expect(worker.id).toMatch(/^worker\//);
  });
});

describe("an option of an engine", () => {
  const wrong: { readonly [what: string]: object } = {
    workflows: { workflows: null },
    hooks: { hooks: {} },
    logger: { logger: {} },
    file: { file: "Owned" },
    "limits.payloadBytesMax": { limits: { payloadBytesMax: Number.NaN } },
    "limits.historyEventsMax": { limits: { historyEventsMax: 0 } },
    "limits.historyEventsWarn": { limits: { historyEventsWarn: "1" } },
    "worker.concurrency": { worker: { concurrency: -1 } },
  };
  it.each(Object.keys(wrong))("%s is refused by its name, and the file is free again", async (what) => {
    const good: EngineOptions = { db: `file:${join(newFolder(), "log.db")}`, workflows: [one] };
    const error = await rejection(createEngine({ ...good, ...wrong[what] }));
    expect(error).toMatchObject({ code: "OPTION_INVALID", facts: { what } });
    await (await createEngine(good)).close();
  });
});

describe("an option of a call", () => {
  const wrong: { readonly [what: string]: (engine: Engine) => Promise<unknown> } = {
    createdFrom: (engine) => engine.list({ createdFrom: Number.NaN }),
    createdBefore: (engine) => engine.list({ createdBefore: "2027" as never }),
    tags: (engine) => engine.list({ tags: null as never }),
    "history.limit": (engine) => engine.history("run_x", { limit: -1 }),
    "history.afterSeq": (engine) => engine.history("run_x", { afterSeq: 0.5 }),
    scopes: (engine) => engine.keys.create({ name: "ci" } as never),
  };
  it.each(Object.keys(wrong))("%s is refused by its name", async (what) => {
    const engine = await openLab().engine({ workflows: [one], worker: false });
    const error = await rejection((wrong[what] as (engine: Engine) => Promise<unknown>)(engine));
    expect(error).toMatchObject({ code: "OPTION_INVALID", facts: { what } });
  });

  it("that is a text which the log cannot hold is refused in a list as in a start", async () => {
    const engine = await openLab().engine({ workflows: [one], worker: false });
    for (const options of [{ workflow: "\ud800" }, { idempotencyKey: "" }, { tags: { a: "\0" } }]) {
      expect(await rejection(engine.list(options))).toMatchObject({ code: "NAME_INVALID" });
    }
  });
});
