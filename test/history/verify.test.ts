import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { sign } from "@octokit/webhooks-methods";
import { github, notify, schedule, webhook, workflow } from "varve";
import { createEngine } from "varve/node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { verify } from "../../src/history/verify.ts";
import { QUESTIONS } from "../../src/log/libsql/audit.ts";
import { openForeign } from "../../src/log/libsql/open.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { LogWrite } from "../../src/log/port-write.ts";
import { openLab } from "../support/lab.ts";
import { realPorts } from "../support/ports.ts";

const SECRET = "a secret for tests";

const drain = (fn: () => void) => void setImmediate(fn);

const order = workflow({ name: "order" }, async (ctx, input: { n: number }) => {
  const price = await ctx.step("price", () => input.n * 2);
  const receipt = await ctx.step(
    "charge",
    (step) => {
      if (step.attempt === 1) throw new Error("the bank is busy");
      return { paid: price };
    },
    { retry: { attempts: 3, backoff: "fixed", initial: "1ms" } },
  );
  await ctx.scope("pack", async (scope) => {
    await scope.step("box", () => "box");
    await scope.scope("label", (inner) => inner.step("print", () => "label"));
  });
  await ctx.sleep("cool-off", "5ms");
  return { receipt };
});

const refuse = workflow({ name: "refuse" }, async (ctx) => {
  await ctx.step("look", () => "closed");
  throw new Error("the shop is closed");
});

const wait = workflow({ name: "wait" }, async (ctx) => {
  await ctx.step("begin", () => 1);
  await ctx.sleep("long", "30d");
});

let folder: string;
let original: string;
/** Ids of the runs in the original. */
let runs: { order: string; waiting: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "varve-verify-"));
  original = join(folder, "original.db");
  const worked = join(folder, "worked.db");
  runs = await work(worked);
  // A file of its own: whether the WAL beside a closed file is still there is the garbage collector's choice.
  const client = createClient({ url: `file:${worked}` });
  await client.execute(`VACUUM INTO '${original}'`);
  client.close();
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Real work: runs that complete, fail, are cancelled, wait, and are started by a webhook. */
async function work(path: string): Promise<typeof runs> {
  const hooks = [webhook({ name: "hub", scheme: github({ secrets: [SECRET] }), workflow: order })];
  const engine = await createEngine({ db: `file:${path}`, workflows: [order, refuse, wait], hooks });
  const ordered = await engine.start(order, { n: 3 }, { idempotencyKey: "o-3", tags: { b: "2", a: "1" } });
  expect(await ordered.result()).toEqual({ receipt: { paid: 6 } });
  const refused = await engine.start(refuse, undefined, { deadline: "1h" });
  await expect(refused.result()).rejects.toThrow("closed");
  const waiting = await engine.start(wait, undefined);
  const cancelled = await engine.start(wait, undefined);
  await cancelled.cancel({ reason: "enough" });
  await expect(cancelled.result()).rejects.toThrow("enough");
  await engine.start(wait, undefined, { delay: "1d" });
  const body = JSON.stringify({ n: 5 });
  const headers: [string, string][] = [
    ["x-hub-signature-256", await sign(SECRET, body)],
    ["x-github-delivery", "delivery-1"],
  ];
  const outcome = await engine.deliver("hub", { headers, body: new TextEncoder().encode(body) });
  if (outcome.kind !== "accepted") throw new Error(outcome.kind);
  await outcome.run?.result();
  await engine.close();
  return { order: ordered.id, waiting: waiting.id };
}

function openFile(path: string): LogStore {
  return libsqlStore(openForeign(createClient, { url: `file:${path}` }, realPorts()));
}

let copies = 0;

/** What verify finds in a copy of the original after `statements`. */
async function verifyAfter(...statements: string[]) {
  const path = join(folder, `copy-${++copies}.db`);
  cpSync(original, path);
  const client = createClient({ url: `file:${path}` });
  for (const statement of statements) await client.execute(statement);
  client.close();
  const store = openFile(path);
  const report = await verify(store, { drain });
  await store.close();
  return report;
}

it("a database after real work is equal to what its events say", async () => {
  const seen: number[] = [];
  const store = openFile(original);
  const report = await verify(store, { drain, onProgress: ({ runs: count }) => seen.push(count) });
  await store.close();
  expect(report).toMatchObject({ equal: true, differences: [], violations: [], unnamed: 0, unsettled: 0 });
  expect(report).toMatchObject({ runs: 6, deliveries: 1 });
  expect(report.events).toBeGreaterThan(30);
  expect(seen).toEqual([6]);
});

describe("a planted corruption is found and named", () => {
  const run = (column: string, value: string, which: keyof typeof runs = "order") =>
    `UPDATE runs SET ${column} = ${value} WHERE id = '${runs[which]}'`;
  const event = (change: string, where: string) =>
    `UPDATE events SET ${change} WHERE run_id = '${runs.order}' AND ${where}`;

  const differing: { readonly [name: string]: readonly [what: string, statement: () => string] } = {
    "a run that ended is said to be running": ["status", () => run("status", "'running'")],
    "a run that goes on is said to have ended": ["status", () => run("status", "'completed'", "waiting")],
    "a head one too high": ["head", () => run("head", "head + 1")],
    "a result that was changed": ["result", () => run("result", "replace(result, '6', '7')")],
    "a result that is gone": ["result", () => run("result", "NULL")],
    "another workflow": ["workflow", () => run("workflow", "'wait'")],
    "another version": ["version", () => run("version", "'9'")],
    "another idempotency key": ["idempotencyKey", () => run("idempotency_key", "'o-4'")],
    "tags that were changed": ["tags", () => run("tags", `'{"a":"1"}'`)],
    "a parent that it does not have": ["parentId", () => run("parent_id", "'run_p'")],
    "a parent that is forgotten": [
      "parentId",
      () => event(`data = json_set(data, '$.parent', json('{"runId":"run_p","key":"k","depth":1}'))`, "seq = 1"),
    ],
    "another instant of creation": ["createdAt", () => run("created_at", "created_at + 1")],
    "a start that is forgotten": ["startedAt", () => run("started_at", "NULL")],
    "an end that is forgotten": ["endedAt", () => run("ended_at", "NULL")],
    "a deadline that nobody set": ["deadlineAt", () => run("deadline_at", "1")],
    "a wake-up that is too late": ["availableAt", () => run("available_at", "available_at + 1", "waiting")],
    "a wake-up that is lost": ["availableAt", () => run("available_at", "NULL", "waiting")],
    "a run that ended and can be claimed": ["availableAt", () => run("available_at", "1")],
    "a row under an older epoch than its events": ["epoch", () => run("epoch", "-1")],
    "an unclean claim of a run that ended": ["unclean", () => run("unclean", "1")],
    "an owner of a run that nobody runs": ["owner", () => run("owner", "'w'", "waiting")],
    "a row that is gone": ["row", () => `DELETE FROM runs WHERE id = '${runs.order}'`],
    "a history that is gone": ["history", () => `DELETE FROM events WHERE run_id = '${runs.order}'`],
    "a first event that is gone": ["event", () => `DELETE FROM events WHERE run_id = '${runs.order}' AND seq = 1`],
    "an event of an unknown type": ["event", () => event("type = 'step.guessed'", "key = 'price'")],
    "an event whose data is damaged": ["event", () => event("data = '{'", "seq = 1")],
    "an instant that no number holds": ["event", () => event("at = 4611686018427387904", "seq = 4")],
    "an event in another scope than its key": ["scope", () => event("scope = ''", "key = 'pack/box'")],
    "an event outside the scope index": ["scope", () => event("scope = NULL", "key = 'pack/label/print'")],
    "mail of a run that ended": [
      "inbox",
      () => `INSERT INTO inbox (run_id, kind, token, at) VALUES ('${runs.order}', 'cancel', 't', 1)`,
    ],
    "a delivery of no run": ["delivery", () => "UPDATE deliveries SET run_id = 'run_none'"],
    "a delivery of another run": ["delivery", () => `UPDATE deliveries SET run_id = '${runs.waiting}'`],
    "a delivery that is gone": ["delivery", () => "DELETE FROM deliveries"],
  };

  it.each(Object.keys(differing))("%s", async (name) => {
    const [what, statement] = differing[name] as (typeof differing)[string];
    const { equal, differences } = await verifyAfter(statement());
    expect(equal).toBe(false);
    expect([...new Set(differences.map((difference) => difference.what))]).toContain(what);
    // A delivery may belong to a third run; everything else is the damaged run's alone.
    if (what === "delivery") return;
    const damaged = statement().includes(runs.waiting) ? runs.waiting : runs.order;
    expect([...new Set(differences.map((difference) => difference.runId))]).toEqual([damaged]);
  });

  const broken: { readonly [name: string]: readonly [invariant: string, statements: () => string[]] } = {
    "an event that was deleted": [
      "seq-is-dense",
      () => [`DELETE FROM events WHERE run_id = '${runs.order}' AND seq = 3`],
    ],
    "a gap in seq": [
      "seq-is-dense",
      () => [event("seq = seq + 1", `seq = (SELECT max(seq) FROM events WHERE run_id = '${runs.order}')`)],
    ],
    "a second completion of a key": [
      "one-conclusion",
      () => [event("key = 'price'", "type = 'step.completed' AND key = 'charge'")],
    ],
    "an epoch that goes back": ["epoch-never-falls", () => [event("epoch = 0", "seq = 4")]],
    "an instant that goes back": ["at-never-falls", () => [event("at = 5", "seq = 4")]],
    "positions in another order than the seqs": ["position-grows", () => [event("position = 9999", "seq = 2")]],
    "an epoch that nobody claimed": ["claim-opens-epoch", () => [event("epoch = epoch + 1", "seq > 3")]],
    "a second claim under one epoch": [
      "claim-opens-epoch",
      () => [event(`type = 'run.claimed', data = '{"worker":"w"}', key = NULL, attempt = NULL`, "seq = 4")],
    ],
    "a timer that fired too early": [
      "timer-not-early",
      () => [event(`data = '{"dueAt":99999999999999}'`, "type = 'timer.armed'")],
    ],
    "an attempt that was not recorded": [
      "completion-was-attempted",
      () => [event("type = 'attempt.late'", "type = 'attempt.started' AND key = 'price'")],
    ],
  };

  it.each(Object.keys(broken))("%s", async (name) => {
    const [invariant, statements] = broken[name] as (typeof broken)[string];
    const { equal, violations } = await verifyAfter(...statements());
    expect(equal).toBe(false);
    expect(violations.map((violation) => [violation.runId, violation.invariant])).toContainEqual([
      runs.order,
      invariant,
    ]);
  });
});

it("a difference says what was expected and what was found", async () => {
  const { differences } = await verifyAfter(`UPDATE runs SET status = 'failed' WHERE id = '${runs.order}'`);
  expect(differences).toEqual([{ runId: runs.order, what: "status", expected: '"completed"', found: '"failed"' }]);
});

it("a run whose history is longer than a page, among more runs than a page, is folded as a whole", async () => {
  const lab = openLab();
  const many = workflow({ name: "many" }, async (ctx, count: number) => {
    for (let i = 0; i < count; i++) await ctx.step("add", () => i);
  });
  const engine = await lab.engine({ workflows: [many] });
  for (let i = 0; i < 250; i++) void engine.start(many, i === 0 ? 300 : 1);
  await lab.pass(1_000);
  for (let i = 0; i < 20; i++) await lab.settle();
  const report = await verify(lab.store, { drain });
  expect(report).toMatchObject({ equal: true, runs: 250 });
  expect(report.events).toBe(await lab.store.lastPosition());
});

it("a run that goes on while it is read is compared with what it has become", async () => {
  const lab = openLab();
  const writes: LogWrite[] = [];
  const engine = await lab.engine({ workflows: [wait], onAppend: (write) => void writes.push(write) });
  const run = await engine.start(wait, undefined);
  await lab.settle();
  let looks = 0;
  const moving: LogStore = {
    ...forward(lab.store),
    readHistory: async (...args) => {
      // Between the row and its events the run is cancelled.
      if (looks++ === 0) {
        await run.cancel();
        await lab.settle();
      }
      return await lab.store.readHistory(...args);
    },
  };
  expect(await verify(moving, { drain })).toMatchObject({ equal: true, runs: 1, unsettled: 0 });
  expect((await run.status()).status).toBe("cancelled");
});

/** The reads of `store` that verify makes. */
function forward(store: LogStore): LogStore {
  const names = [
    "listRuns",
    "listLoggedRuns",
    "readHistory",
    "getRun",
    "readInbox",
    "getDelivery",
    "listDeliveries",
    "strays",
  ];
  const reads = store as unknown as Record<string, (...args: unknown[]) => unknown>;
  const calls = names.map((name) => [name, (...args: unknown[]) => reads[name]?.(...args)]);
  return Object.fromEntries(calls) as unknown as LogStore;
}

describe("what no event determines is held to bounds and references", () => {
  const notified = workflow({ name: "notified", on: [{ topic: "orders.paid" }] }, async (ctx) => {
    await ctx.step("look", () => 1);
  });
  const waits = workflow({ name: "waits", maxActiveRuns: 1 }, async (ctx) => {
    await ctx.lock("till", {}, async (held) => held.waitForMessage("orders.shipped"));
  });
  let sound: string;
  let ids: { readonly over: string; readonly open: string };

  beforeAll(async () => {
    const worked = join(folder, "shared-things.db");
    sound = join(folder, "sound.db");
    const engine = await createEngine({
      db: `file:${worked}`,
      workflows: [notified, waits],
      schedules: [schedule({ id: "nightly", workflow: notified, cron: "0 3 * * *" })],
      notify: [
        notify({
          ...{ name: "audit", url: "http://127.0.0.1:9/", allowPrivate: true, events: ["run.completed"] },
          secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        }),
      ],
    });
    await engine.publish("orders.paid", { n: 1 }, { id: "m-1" });
    const started = async () => (await engine.list({ workflow: "notified", status: "completed" })).runs[0]?.id;
    await vi.waitFor(async () => expect(await started()).toBeDefined());
    const open = (await engine.start(waits, undefined)).id;
    await engine.start(waits, undefined);
    await vi.waitFor(async () => expect((await engine.run(open).status()).status).toBe("waiting"));
    await vi.waitFor(async () => expect((await engine.notifications.list()).notifications).not.toEqual([]));
    ids = { over: (await started()) as string, open };
    await engine.close();
    const client = createClient({ url: `file:${worked}` });
    await client.execute(`VACUUM INTO '${sound}'`);
    client.close();
  });

  /** What verify finds after a change, if only `what` is looked at. */
  async function found(...statements: string[]) {
    const path = join(folder, `damaged-${++copies}.db`);
    cpSync(sound, path);
    const client = createClient({ url: `file:${path}` });
    for (const statement of statements) await client.execute(statement);
    client.close();
    const store = openFile(path);
    const { differences } = await verify(store, { drain });
    await store.close();
    return differences;
  }

  it("a sound one is sound, and has something in each table that is asked about", async () => {
    expect(await found()).toEqual([]);
    const client = createClient({ url: `file:${sound}` });
    for (const table of [
      "places",
      "lines",
      "locks",
      "waits",
      "messages",
      "dispatches",
      "subscriptions",
      "endpoints",
      "notices",
      "schedules",
    ]) {
      const { rows } = await client.execute(`SELECT count(*) AS n FROM ${table}`);
      expect([table, Number(rows[0]?.n)]).not.toEqual([table, 0]);
    }
    client.close();
  });

  const damages: { readonly [name: string]: readonly [what: string, run: "over" | "open" | null, sql: () => string] } =
    {
      "a place of a run that is over": [
        "place",
        "over",
        () => `UPDATE places SET run_id = '${ids.over}' WHERE run_id = '${ids.open}'`,
      ],
      "a place of no run": [
        "place",
        null,
        () =>
          `INSERT INTO places (run_id, line, slots, rank, hold, share, cost, requested_at) VALUES ('run_none', 'x', 1, 1, 'life', '', 1, 1)`,
      ],
      "a place in a line that its run does not name": [
        "place",
        "open",
        () => `UPDATE places SET line = 'other' WHERE run_id = '${ids.open}'`,
      ],
      "a line that counts wrongly": ["line", null, () => "UPDATE lines SET held = held + 1"],
      "a line that is gone": ["line", null, () => "DELETE FROM lines"],
      "a lock of no run": ["lock", null, () => "UPDATE locks SET run_id = 'run_none'"],
      "a lock of a run that is over": ["lock", "over", () => `UPDATE locks SET run_id = '${ids.over}'`],
      "an outcome kept for a run that is over": [
        "operation",
        "over",
        () => `INSERT INTO operations (run_id, key, version) VALUES ('${ids.over}', 'k', 1)`,
      ],
      "an open wait of a run that is over": ["wait", "over", () => `UPDATE waits SET run_id = '${ids.over}'`],
      "a wait after what was never published": ["wait", "open", () => "UPDATE waits SET after = 999"],
      "a wait that was given a message and is open": ["wait", "open", () => "UPDATE waits SET given = 1"],
      "a message that is decided and not dispatched": [
        "message",
        "over",
        () => "UPDATE messages SET dispatched_at = NULL",
      ],
      "a decision about no message": ["message", "over", () => "DELETE FROM messages"],
      "a decision that woke no run": [
        "message",
        null,
        () => "UPDATE dispatches SET decision = 'woke', run_id = 'run_none'",
      ],
      "a decision that cancelled no run": [
        "message",
        null,
        () => "UPDATE dispatches SET decision = 'cancelled', run_id = 'run_none'",
      ],
      "a decision with no gathering": ["message", "over", () => "UPDATE dispatches SET gathering = 7"],
      "a gathering that counts wrongly": [
        "gathering",
        null,
        () =>
          "INSERT INTO gatherings (subject, key, kind, opened_at, due_at, count, length, is_open) VALUES ('s', 'k', 'batch', 1, 1, 2, 3, 1)",
      ],
      "a subscription that is no text": ["subscription", null, () => "UPDATE subscriptions SET text = '{'"],
      "a subscription that says nothing": ["subscription", null, () => "UPDATE subscriptions SET text = '{}'"],
      "ends looked for beyond the log": [
        "ends",
        null,
        () => "INSERT INTO ends_cursor (one, position) VALUES (1, 9999)",
      ],
      "ends looked for before the log": ["ends", null, () => "INSERT INTO ends_cursor (one, position) VALUES (1, -1)"],
      "an endpoint beyond the log": ["endpoint", null, () => "UPDATE endpoints SET position = 9999"],
      "a notice of another event": ["notice", "over", () => "UPDATE notices SET seq = seq + 1"],
      "a notice of another run's event": ["notice", "open", () => `UPDATE notices SET run_id = '${ids.open}'`],
      "a notice of another type": ["notice", "over", () => "UPDATE notices SET type = 'run.failed'"],
      "a notice of no event": ["notice", "over", () => "UPDATE notices SET position = 9999"],
      "a notice of no endpoint": ["notice", "over", () => "DELETE FROM endpoints"],
      "a notice that its endpoint has not come to": ["notice", "over", () => "UPDATE endpoints SET position = 1"],
      "a notice that is pending and never due": ["notice", "over", () => "UPDATE notices SET due_at = NULL"],
      "a notice that is pending and has ended": ["notice", "over", () => "UPDATE notices SET ended_at = 1"],
      "a notice that is dead and has not ended": [
        "notice",
        "over",
        () => "UPDATE notices SET status = 'dead', due_at = NULL",
      ],
      "another queue than its limits say": [
        "queue",
        "open",
        () => `UPDATE runs SET queue = 'x' WHERE id = '${ids.open}'`,
      ],
      "limits that are forgotten": ["limits", "open", () => `UPDATE runs SET limits = NULL WHERE id = '${ids.open}'`],
      "a time to get in line that nobody set": [
        "lineAt",
        "open",
        () => `UPDATE runs SET line_at = 5 WHERE id = '${ids.open}'`,
      ],
      "a run in line that can be claimed": [
        "availableAt",
        "open",
        () => `UPDATE runs SET available_at = 5 WHERE id = '${ids.open}'`,
      ],
      "a schedule whose next instant is decided": ["schedule", null, () => "UPDATE schedules SET next_at = cursor"],
      "a firing of no schedule": [
        "firing",
        null,
        () =>
          "INSERT INTO firings (schedule_id, at, lane, decision, cause, generation, is_open) VALUES ('none', 1, 'schedule', 'skipped', 'schedule', 1, 0)",
      ],
      "a firing that started no run": [
        "firing",
        null,
        () =>
          "INSERT INTO firings (schedule_id, at, lane, decision, cause, run_id, generation, is_open) VALUES ('nightly', 1, 'schedule', 'fired', 'schedule', 'run_none', 1, 0)",
      ],
    };

  /** What was expected in place of what was found. */
  const told = new Set<string>();

  it.each(Object.keys(damages))("%s", async (name) => {
    const [what, run, sql] = damages[name] as (typeof damages)[string];
    const differences = await found(sql());
    for (const difference of differences) told.add(`${difference.what}: ${difference.expected}`);
    expect(differences.map((difference) => difference.what)).toContain(what);
    if (run !== null) expect(differences).toContainEqual(expect.objectContaining({ what, runId: ids[run] }));
  });

  it("each of the questions has found something", () => {
    const asked = QUESTIONS.map(({ what, expected }) => `${what}: ${expected}`);
    expect(new Set(asked).size).toBe(QUESTIONS.length);
    expect([...told]).toEqual(expect.arrayContaining(asked));
  });
});
