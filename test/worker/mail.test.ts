import { type Ctx, workflow } from "varve";
import { describe, expect, it } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import type { InboxRow } from "../../src/log/port-inbox.ts";
import { webhook } from "../../src/triggers/hook.ts";
import type { WebhookScheme } from "../../src/triggers/scheme.ts";
import { MailReader } from "../../src/worker/mail-reader.ts";
import { openLab } from "../support/lab.ts";

/** What is read of the inbox, in a lab. */
function countedReads(store: LogStore) {
  const counts = { reads: 0, rows: 0 };
  const readInbox = store.readInbox.bind(store);
  store.readInbox = async (runIds) => {
    const rows = await readInbox(runIds);
    counts.reads++;
    counts.rows += rows.length;
    return rows;
  };
  return counts;
}

/** Tells a run, or many, so many things at once; returns what was read of the inbox for it. */
async function tellAtOnce(signals: number, runs: number) {
  const lab = openLab();
  const counts = countedReads(lab.store);
  const hears = workflow({ name: "hears" }, async (ctx: Ctx) => {
    for (let i = 0; i < signals; i++) await ctx.waitFor("news");
  });
  const engine = await lab.engine({ workflows: [hears] });
  const started = await Promise.all(Array.from({ length: runs }, () => engine.start(hears, undefined)));
  await lab.settle();
  Object.assign(counts, { reads: 0, rows: 0 });
  const told = started.flatMap((run) => Array.from({ length: signals }, (_, i) => run.signal("news", i)));
  await Promise.all([...told, lab.settle()]);
  for (let i = 0; i < 10; i++) await lab.settle();
  for (const run of started) expect((await run.status()).status).toBe("completed");
  return counts;
}

describe("mail that comes at once", () => {
  it("to one run is read in a few reads, however much it is", async () => {
    const [few, many] = [await tellAtOnce(40, 1), await tellAtOnce(400, 1)];
    expect(many.reads).toBeLessThanOrEqual(few.reads + 2);
    expect(many.rows).toBeLessThanOrEqual(3 * 400);
  });

  it("to many runs too", async () => {
    const { reads, rows } = await tellAtOnce(5, 50);
    expect(reads).toBeLessThanOrEqual(4);
    expect(rows).toBeLessThanOrEqual(3 * 5 * 50);
  });
});

describe("mail of a run that leaves its worker", () => {
  const hears = workflow({ name: "hears" }, async (ctx: Ctx) => {
    await ctx.step("wakes", () => "up");
    return await ctx.waitFor("news");
  });

  const verify: WebhookScheme["verify"] = async () => ({ ok: true, deliveryId: "1" });
  const tells = webhook({
    name: "tells",
    scheme: { name: "trusting", check: async () => {}, verify },
    signal: { run: (delivery) => delivery.text(), name: "news", payload: () => "it rains" },
  });

  /** The write that parks the run is answered, and its mail is read, as the test has it. */
  async function leaving() {
    const lab = openLab();
    const append = lab.store.append.bind(lab.store);
    const readInbox = lab.store.readInbox.bind(lab.store);
    const answers: Record<string, () => void> = {};
    const held = <R>(name: string, result: R) =>
      name in answers
        ? result
        : new Promise<R>((resolve) => {
            answers[name] = () => resolve(result);
          });
    lab.store.append = async (write) => {
      const verdict = await append(write);
      const isParked = write.runs.some(({ row }) => row.kind === "move");
      return isParked ? await held("parked", verdict) : verdict;
    };
    lab.store.readInbox = async (ids) => await held("read", await readInbox(ids));
    const engine = await lab.engine({ workflows: [hears], hooks: [tells], worker: { pollMsMax: 3_600_000 } });
    const run = await engine.start(hears, undefined);
    await lab.settle();
    // Not by the writer, which has a write under way.
    const told = engine.deliver("tells", { headers: [["id", "1"]], body: new TextEncoder().encode(run.id) });
    await lab.settle();
    expect(Object.keys(answers)).toEqual(["parked", "read"]);
    return { lab, run, told, answers };
  }

  it.each([
    ["is read when it has left", ["parked", "read"]],
    ["is read when it is about to leave", ["read", "parked"]],
  ])("that came after its last write, and %s, brings it back at once", async (_, order) => {
    const { lab, run, told, answers } = await leaving();
    for (const name of order) {
      answers[name]?.();
      await lab.settle();
    }
    await told;
    expect(await run.result()).toBe("it rains");
  });
});

describe("a reader of mail", () => {
  const row = (id: number, runId: string) => ({ id, runId }) as InboxRow;

  it("reads once for all who ask while it reads, and again, because that may have missed what they mean", async () => {
    const asked: (readonly string[])[] = [];
    const answers: ((rows: InboxRow[]) => void)[] = [];
    const given: [string, number[]][] = [];
    const readInbox = (runIds: readonly string[]) => {
      asked.push(runIds);
      return new Promise<InboxRow[]>((resolve) => answers.push(resolve));
    };
    const give = (runId: string, mail: readonly InboxRow[]) => void given.push([runId, mail.map(({ id }) => id)]);
    const reader = new MailReader({ store: { readInbox }, logger: { log: () => {} }, give });
    const done: string[] = [];
    const first = reader.read(["a"]).then(() => done.push("first"));
    const second = reader.read(["b"]).then(() => done.push("second"));
    const third = reader.read(["a", "b"]).then(() => done.push("third"));
    expect(asked).toEqual([["a"]]);
    answers[0]?.([row(1, "a")]);
    await first;
    // Whoever asks now may mean what the second read, which is under way, has not seen.
    const fourth = reader.read(["c"]).then(() => done.push("fourth"));
    expect(asked).toEqual([["a"], ["b", "a"]]);
    answers[1]?.([row(1, "a"), row(2, "b")]);
    await Promise.all([second, third]);
    expect(done).not.toContain("fourth");
    await expect.poll(() => asked).toEqual([["a"], ["b", "a"], ["c"]]);
    answers[2]?.([]);
    await fourth;
    expect(given).toEqual([
      ["a", [1]],
      ["b", [2]],
      ["a", [1]],
      ["c", []],
    ]);
  });

  it("that fails says so, and reads again when it is asked", async () => {
    const lines: string[] = [];
    let fails = true;
    const readInbox = async () => {
      if (fails) throw new Error("the database is away");
      return [row(1, "a")];
    };
    const given: string[] = [];
    const reader = new MailReader({
      store: { readInbox },
      logger: { log: (_level, message) => void lines.push(message) },
      give: (runId) => void given.push(runId),
    });
    await reader.read(["a"]);
    fails = false;
    await reader.read(["a"]);
    expect(lines).toEqual(["the mail of runs could not be read; the next heartbeat tries again"]);
    expect(given).toEqual(["a"]);
  });
});
