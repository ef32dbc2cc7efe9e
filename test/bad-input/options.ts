/** Options of an engine, of a worker and of calls that are anything but options. */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { github, standardWebhooks, webhook, workflow } from "varve";
import { createEngine, type EngineOptions } from "varve/node";
import type { Engine } from "../../src/engine/api.ts";
import type { StartOptions } from "../../src/engine/api-run.ts";
import type { BulkOptions, ListOptions } from "../../src/engine/api-run-list.ts";
import { createEngineOf } from "../../src/engine/engine.ts";
import { createApp } from "../../src/http/index.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { realPorts } from "../support/ports.ts";
import { oddText } from "../support/storable.ts";
import { type Effort, type Property, typedErrorOf } from "./lane.ts";
import { inFolder, silent } from "./places.ts";
import { junk } from "./values.ts";

const one = workflow({ name: "one" }, async (ctx, input: unknown) => ctx.step("a", () => input as never));

type EngineWorkflows = Parameters<typeof createEngineOf>[0]["workflows"];

async function overEngine(use: (engine: Engine) => Promise<void>, workflows: EngineWorkflows = [one]): Promise<void> {
  const ports = realPorts();
  const engine = await createEngineOf({ store: memoryStore(ports.clock), ports, workflows });
  try {
    await use(engine);
  } finally {
    await engine.close({ deadline: 0 });
  }
}

/** Some of the options of this name, each of them anything. */
const some = (...names: string[]) =>
  fc.record(Object.fromEntries(names.map((name) => [name, junk])), { requiredKeys: [] });

const workerOptions = some(
  ...["concurrency", "leaseMs", "hotRunsMax", "parkAfterMs", "pollMsMax", "label", "queues", "unknown"],
);
const limits = some("payloadBytesMax", "historyEventsMax", "historyEventsWarn", "unknown");

/** Not a text that names a file: every one of them would be made. */
const database = junk.filter((url) => typeof url !== "string" || !/^file:/i.test(url));

async function enginesAreMadeOrRefused(effort: Effort): Promise<void> {
  await inFolder(async (folder) => {
    let files = 0;
    const good = () => ({ db: `file:${join(folder, `${++files}.db`)}`, workflows: [one], logger: silent });
    const options = fc.oneof(
      fc.record({ db: database }),
      some("workflows", "hooks"),
      fc.record({ limits }),
      fc.record({ worker: fc.oneof(workerOptions, fc.constantFrom(false, null, undefined)) }),
      some("file"),
      fc.record({ env: junk }),
      some("logger"),
      fc.record({ resume: fc.oneof(some("baseUrl", "secret"), junk) }),
    );
    await fc.assert(
      fc.asyncProperty(options, async (options) => {
        const all: Record<string, unknown> = { ...good(), ...options };
        const error = await typedErrorOf(async () => {
          const engine = await createEngine(all as unknown as EngineOptions);
          try {
            const run = await engine.start(one, 7);
            if (engine.workflows().length > 0 && all.worker !== false) await run.cancel().catch(() => {});
          } finally {
            await engine.close({ deadline: 0 });
          }
        });
        if (error !== null) assert.match(error.name, /^(Definition|Payload|NotFound)Error$/);
        // What was refused lets go of the file.
        if (error !== null && !("db" in options)) {
          await (await createEngine({ ...good(), db: all.db as string })).close();
        }
      }),
      effort,
    );
  });
}

async function workersStartOrAreRefused(effort: Effort): Promise<void> {
  await overEngine(async (engine) => {
    await fc.assert(
      fc.asyncProperty(workerOptions, async (options) => {
        const error = await typedErrorOf(async () => {
          const worker = await engine.work(options as WorkerOptions);
          const run = await engine.start(one, 1);
          assert.equal(await run.result(), 1);
          await worker.stop({ deadline: 0 });
        });
        if (error !== null) assert.match(error.code, /^(OPTION|NAME)_INVALID$/);
      }),
      effort,
    );
  });
}

const startOptions = some("idempotencyKey", "delay", "tags", "deadline", "unknown");
const listOptions = some(
  "workflow",
  "status",
  "tags",
  "idempotencyKey",
  "createdFrom",
  "createdBefore",
  "limit",
  "cursor",
);

const bulkOptions = some(
  ...["workflow", "status", "tags", "idempotencyKey", "parentId", "createdFrom", "createdBefore"],
  ...["ids", "limit", "reason"],
);

async function callsAreServedOrRefused(effort: Effort): Promise<void> {
  await inFolder(async (folder) => {
    const db = `file:${join(folder, "log.db")}`;
    const engine = await createEngine({ db, workflows: [one], worker: false, logger: silent });
    const app = createApp(engine);
    const { id } = await engine.start(one, 1);
    const calls = fc.oneof(
      startOptions.map((options) => () => engine.start(one, 1, options as StartOptions)),
      listOptions.map((options) => () => engine.list(options as ListOptions)),
      oddText.map((name) => () => engine.start(name, 1)),
      junk.map((runId) => () => engine.run(runId as string).status()),
      junk.map((runId) => () => engine.run(runId as string).cancel()),
      some("reason").map((options) => () => engine.run("run_none").cancel(options as object)),
      fc.tuple(fc.constantFrom("run_none", id), junk, junk, some("dedupeKey")).map(
        ([runId, name, payload, options]) =>
          () =>
            engine.run(runId).signal(name as string, payload, options),
      ),
      some("input", "idempotencyKey", "delay", "deadline").map((options) => () => engine.run(id).rerun(options)),
      fc.tuple(fc.constantFrom("cancel", "retry", "resume", "explode"), bulkOptions).map(
        ([action, options]) =>
          () =>
            engine.bulk(action as "cancel", options as BulkOptions),
      ),
      junk.map((token) => () => engine.resumes.redeem(token as string)),
      junk.map((timeout) => () => engine.run("run_none").result({ timeout: timeout as number })),
      some("afterSeq", "limit").map((options) => () => engine.history(id, options as object)),
      some("name", "scopes").map((options) => () => engine.keys.create(options as { name: string; scopes: [] })),
      junk.map((key) => () => engine.keys.revoke(key as string)),
      oddText.map((token) => () => engine.keys.verify(token)),
      junk.map(
        (budgetMs) => () => engine.tick({ budgetMs: typeof budgetMs === "number" ? -Math.abs(budgetMs) : Number.NaN }),
      ),
      junk.map((name) => () => webhook({ name: name as string, scheme: github({ secrets: ["s"] }), workflow: one })),
      fc.array(junk).map((secrets) => async () => {
        await github({ secrets: secrets as string[] }).check();
        await standardWebhooks({ secrets: secrets as string[] }).check();
      }),
      junk.map((name) => () => workflow({ name: name as string }, async () => 1)),
      oddText.map((path) => () => app.request(`/api/v1/${encodeURIComponent(path.toWellFormed())}`)),
    );
    try {
      await fc.assert(
        fc.asyncProperty(calls, async (call) => {
          await typedErrorOf(call);
        }),
        effort,
      );
    } finally {
      await engine.close();
    }
  });
}

const mapArguments = fc.tuple(
  fc.oneof(fc.constant("map"), oddText, junk),
  fc.oneof(fc.array(junk, { maxLength: 5 }), junk),
  fc.oneof(
    fc.constant(async (item: unknown) => item),
    junk,
  ),
  fc.oneof(some("concurrency", "tolerate", "unknown"), junk),
);

async function mapsComeToListsOrAreRefused(effort: Effort): Promise<void> {
  let given: readonly unknown[] = [];
  const mapping = workflow({ name: "mapping" }, async (ctx) => {
    const map = ctx.map as unknown as (...args: readonly unknown[]) => Promise<unknown[]>;
    return (await map(...given)).length;
  });
  const code = /^((MAP|OPTION|NAME)_INVALID|PAYLOAD_(UNSTORABLE|TOO_DEEP))$/;
  await overEngine(
    async (engine) => {
      await engine.work();
      await fc.assert(
        fc.asyncProperty(mapArguments, async (args) => {
          given = args;
          const error = await typedErrorOf(async () => {
            const run = await engine.start(mapping, null);
            const items = await run.result().catch(({ cause }) => Promise.reject(cause));
            assert.equal(items, (args[1] as unknown[]).length);
          });
          if (error !== null) assert.match(error.code, code);
        }),
        effort,
      );
    },
    [mapping],
  );
}

export const options: readonly Property[] = [
  {
    title: "an engine is made and works, or is refused by a definition error and lets go of its file",
    runs: 25,
    holds: enginesAreMadeOrRefused,
  },
  {
    title: "a worker starts and works, or is refused by the name of its option",
    runs: 300,
    holds: workersStartOrAreRefused,
  },
  { title: "a map comes to a list, or is refused by a typed error", runs: 500, holds: mapsComeToListsOrAreRefused },
  { title: "a call is served or refused by a typed error", runs: 1_500, holds: callsAreServedOrRefused },
];
