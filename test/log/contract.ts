/** What every log must do: one suite, run against each implementation of the storage port. */
import { beforeEach, describe, expect, it } from "vitest";
import type { LogStore } from "../../src/log/port.ts";
import { POISONED, UNCLEAN_ALONE_FROM, UNCLEAN_ALONE_MAX } from "../../src/log/port-claims.ts";
import { INBOX_ROWS_MAX } from "../../src/log/port-inbox.ts";
import type { RunFilter } from "../../src/log/port-lists.ts";
import { beyondContract } from "./contract-beyond.ts";
import { deliveriesContract } from "./contract-deliveries.ts";
import { fairnessContract } from "./contract-fairness.ts";
import { keyedContract } from "./contract-keyed.ts";
import { locksContract } from "./contract-locks.ts";
import { messagesContract } from "./contract-messages.ts";
import { outgoingContract } from "./contract-outgoing.ts";
import { outlookContract } from "./contract-outlook.ts";
import { patienceContract } from "./contract-patience.ts";
import { placesContract } from "./contract-places.ts";
import { poolsContract } from "./contract-pools.ts";
import { schedulesContract } from "./contract-schedules.ts";
import { append, created, handAt, LEASE_MS, message, type OpenedLog, runId, start } from "./hand.ts";
import { eventOf, moved, PROGRAM, turn } from "./writes.ts";

export function logContract(open: () => Promise<OpenedLog>): void {
  let store: LogStore;
  let pass: OpenedLog["pass"];

  beforeEach(async () => {
    ({ store, pass } = await open());
    return async () => await store.close();
  });

  const { write, pending, claimed, seqs } = handAt(() => store);

  describe("starts", () => {
    it("a start makes a run with its first event", async () => {
      const id = await pending({ tags: { customer: "c-1" } });
      expect(await store.getRun(id)).toMatchObject({
        id,
        status: "pending",
        head: 1,
        epoch: 0,
        tags: { customer: "c-1" },
      });
      expect(await store.readHistory(id, { afterSeq: 0, limit: 10 })).toMatchObject([
        { runId: id, seq: 1, epoch: 0, type: "run.created", key: null, v: 1, at: 1_000 },
      ]);
    });

    it("a start that is sent again changes nothing and gives the same answer", async () => {
      const id = runId();
      const part = { starts: [start(id)], runs: [created(id)] };
      const first = await write(part);
      const again = await write(part);
      expect(again).toEqual(first);
      expect(await seqs(id)).toEqual([[1, 0]]);
    });

    it("a start that is sent again after a claim changes nothing", async () => {
      const id = runId();
      const part = { starts: [start(id)], runs: [created(id)] };
      await write(part);
      await store.openWorker("w1", LEASE_MS);
      await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 1, alone: false });
      expect((await write(part)).starts.get(id)).toBe(id);
      expect(await store.getRun(id)).toMatchObject({ status: "running", owner: "w1", epoch: 1, head: 1 });
    });

    it("an idempotency key makes one run, and both starts learn which", async () => {
      const [a, b] = [runId(), runId()];
      const key = { idempotencyKey: "k-1" };
      await write({ starts: [start(a, key)], runs: [created(a)] });
      const verdict = await write({ starts: [start(b, key)], runs: [created(b)] });
      expect(verdict.starts.get(b)).toBe(a);
      expect(await store.getRun(b)).toBeNull();
      expect(await seqs(b)).toEqual([]);
    });

    it("two starts of one key in one write make one run", async () => {
      const [a, b] = [runId(), runId()];
      const key = { idempotencyKey: "k-1" };
      const verdict = await write({ starts: [start(a, key), start(b, key)], runs: [created(a), created(b)] });
      expect([...verdict.starts]).toEqual([
        [a, a],
        [b, a],
      ]);
      expect(await seqs(b)).toEqual([]);
    });

    it("an idempotency key belongs to its workflow", async () => {
      const [a, b] = [runId(), runId()];
      await write({ starts: [start(a, { idempotencyKey: "k" })], runs: [created(a)] });
      const verdict = await write({
        starts: [start(b, { idempotencyKey: "k", workflow: "other" })],
        runs: [created(b)],
      });
      expect(verdict.starts.get(b)).toBe(b);
    });

    it("a start with an owner is claimed in the same write", async () => {
      const id = runId();
      await store.openWorker("w1", LEASE_MS);
      await write({
        starts: [start(id, { owner: "w1" })],
        runs: [created(id, { epoch: 1, row: moved({ status: "running", availableAt: null }) })],
      });
      expect(await store.getRun(id)).toMatchObject({ status: "running", owner: "w1", epoch: 1, head: 1, unclean: 1 });
      await store.openWorker("w2", LEASE_MS);
      expect(
        (await store.claim({ turn: turn(), worker: "w2", programs: [PROGRAM], limit: 9, alone: false })).claims,
      ).toEqual([]);
    });
  });

  describe("the fence", () => {
    it("events take the seqs after the head, in order, and positions grow", async () => {
      const { id, epoch } = await claimed();
      const events = [
        eventOf("attempt.started", "a"),
        eventOf("attempt.started", "b"),
        eventOf("step.completed", "a", { value: 1 }),
      ];
      const verdict = await write({ runs: [append(id, epoch, 2, { events })] });
      expect(verdict.runs.get(id)).toMatchObject({ epoch, head: 4 });
      const history = await store.readHistory(id, { afterSeq: 1, limit: 10 });
      expect(history.map(({ seq, type, key, data }) => [seq, type, key, data])).toEqual([
        [2, "attempt.started", "a", null],
        [3, "attempt.started", "b", null],
        [4, "step.completed", "a", '{"value":1}'],
      ]);
      const positions = history.map((row) => row.position);
      expect(positions).toEqual([...positions].sort((x, y) => x - y));
    });

    it("an append that is sent again changes nothing and says that it is written", async () => {
      const { id, epoch } = await claimed();
      const part = { runs: [append(id, epoch, 2)] };
      await write(part);
      expect((await write(part)).runs.get(id)).toMatchObject({ epoch, head: 2 });
      expect(await seqs(id)).toEqual([
        [1, 0],
        [2, epoch],
      ]);
    });

    it("an append under an old epoch changes nothing and does not hurt its neighbours", async () => {
      const { id, epoch } = await claimed("w1");
      const other = await claimed("w1");
      await pass(LEASE_MS + 100);
      await store.openWorker("w2", LEASE_MS);
      const { claims } = await store.claim({ turn: turn(), worker: "w2", programs: [PROGRAM], limit: 1, alone: false });
      const [stolen] = claims;
      const kept = stolen!.runId === id ? other : { id, epoch };
      const lost = stolen!.runId === id ? { id, epoch } : other;
      const verdict = await write({
        runs: [
          append(lost.id, lost.epoch, 2, {
            row: moved({ status: "completed", endedAt: 9, result: "{}", release: true }),
          }),
          append(kept.id, kept.epoch, 2),
        ],
      });
      expect(verdict.runs.get(lost.id)).toMatchObject({ epoch: lost.epoch + 1, head: 1 });
      expect(verdict.runs.get(kept.id)).toMatchObject({ epoch: kept.epoch, head: 2 });
      expect(await store.getRun(lost.id)).toMatchObject({ status: "running", owner: "w2", result: null });
    });

    it("an append from a wrong head changes nothing", async () => {
      const { id, epoch } = await claimed();
      await write({ runs: [append(id, epoch, 3)] });
      expect(await seqs(id)).toEqual([[1, 0]]);
      expect(await store.getRun(id)).toMatchObject({ head: 1 });
    });

    it("a row can change without an event", async () => {
      const { id, epoch } = await claimed();
      const row = moved({
        status: "stuck",
        availableAt: null,
        release: true,
        stuck: '{"code":"X","message":"m"}',
        unclean: "undo",
      });
      await write({ runs: [append(id, epoch, 2, { events: [], row })] });
      expect(await store.getRun(id)).toMatchObject({
        status: "stuck",
        owner: null,
        head: 1,
        unclean: 0,
        stuck: row.stuck,
      });
    });

    it("a terminal row keeps its result", async () => {
      const { id, epoch } = await claimed();
      const row = moved({
        status: "completed",
        availableAt: null,
        release: true,
        result: '{"value":42}',
        startedAt: 1,
        endedAt: 2,
      });
      await write({ runs: [append(id, epoch, 2, { row })] });
      expect(await store.getRun(id)).toMatchObject({
        status: "completed",
        owner: null,
        result: '{"value":42}',
        endedAt: 2,
      });
    });

    it("unclean claims are counted, taken back and reset", async () => {
      const { id, epoch } = await claimed();
      expect(await store.getRun(id)).toMatchObject({ unclean: 1 });
      await write({ runs: [append(id, epoch, 2, { row: { kind: "advance", unclean: "reset", startedAt: null } })] });
      expect(await store.getRun(id)).toMatchObject({ unclean: 0 });
      await write({ runs: [append(id, epoch, 3, { row: moved({ unclean: "undo" }) })] });
      expect(await store.getRun(id)).toMatchObject({ unclean: 0 });
    });
  });

  describe("claims and leases", () => {
    it("a claim takes due runs, the longest due first, and raises their epoch", async () => {
      const late = runId();
      const early = runId();
      await write({
        starts: [start(late), start(early)],
        runs: [created(late, { row: moved({ availableAt: 20 }) }), created(early, { row: moved({ availableAt: 10 }) })],
      });
      await store.openWorker("w1", LEASE_MS);
      const first = await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 1, alone: false });
      expect(first.claims).toEqual([
        { runId: early, ...PROGRAM, epoch: 1, head: 1, uncleanBefore: 0, wasStuck: false, hasMail: false },
      ]);
      const second = await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 9, alone: false });
      expect(second.claims.map((claim) => claim.runId)).toEqual([late]);
    });

    it("a run that is due later is not claimed, and work ahead says when it is", async () => {
      const at = (await store.now()) + 60_000;
      const id = runId();
      await write({ starts: [start(id)], runs: [created(id, { row: moved({ availableAt: at }) })] });
      await store.openWorker("w1", LEASE_MS);
      expect(
        (await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 1, alone: false })).claims,
      ).toEqual([]);
      expect(await store.workAhead("w1", [PROGRAM])).toMatchObject({ dueAt: at, suspectDue: false });
    });

    it("a run of a program that the worker does not have is not claimed", async () => {
      await pending();
      await store.openWorker("w1", LEASE_MS);
      const programs = [{ workflow: "ship", version: "2" }];
      expect((await store.claim({ turn: turn(), worker: "w1", programs, limit: 1, alone: false })).claims).toEqual([]);
      expect(await store.workAhead("w1", programs)).toMatchObject({ dueAt: null });
    });

    it("a run whose owner lives is not claimed", async () => {
      await claimed("w1");
      await store.openWorker("w2", LEASE_MS);
      expect(
        (await store.claim({ turn: turn(), worker: "w2", programs: [PROGRAM], limit: 1, alone: false })).claims,
      ).toEqual([]);
    });

    it("a run whose owner's lease has ended is claimed under a higher epoch", async () => {
      const { id, epoch } = await claimed("w1");
      await pass(LEASE_MS + 100);
      await store.openWorker("w2", LEASE_MS);
      const { claims } = await store.claim({ turn: turn(), worker: "w2", programs: [PROGRAM], limit: 1, alone: false });
      expect(claims).toMatchObject([{ runId: id, epoch: epoch + 1, uncleanBefore: 1 }]);
    });

    it("work ahead names the end of another worker's lease", async () => {
      await claimed("w1");
      const [lease] = await store.listWorkers();
      expect((await store.workAhead("w2", [PROGRAM])).dueAt).toBe(lease!.expiresAt);
      expect((await store.workAhead("w1", [PROGRAM])).dueAt).toBeNull();
    });

    it("a heartbeat keeps a lease alive", async () => {
      await claimed("w1");
      // Longer than a lease, with room for a server that answers late.
      for (let i = 0; i < 6; i++) {
        await pass(LEASE_MS / 5);
        expect((await store.heartbeat("w1", LEASE_MS)).alive).toBe(true);
      }
      await store.openWorker("w2", LEASE_MS);
      expect(
        (await store.claim({ turn: turn(), worker: "w2", programs: [PROGRAM], limit: 1, alone: false })).claims,
      ).toEqual([]);
    });

    it("a heartbeat after the end of the lease is refused, and so is a claim", async () => {
      await store.openWorker("w1", LEASE_MS);
      await pending();
      await pass(LEASE_MS + 100);
      expect((await store.heartbeat("w1", LEASE_MS)).alive).toBe(false);
      expect(
        (await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 1, alone: false })).claims,
      ).toEqual([]);
    });

    it("a worker that closes leaves its runs to others at once", async () => {
      const { id } = await claimed("w1");
      await store.closeWorker("w1");
      await store.openWorker("w2", LEASE_MS);
      const { claims } = await store.claim({ turn: turn(), worker: "w2", programs: [PROGRAM], limit: 1, alone: false });
      expect(claims.map((claim) => claim.runId)).toEqual([id]);
    });

    it("a worker that closes is forgotten on demand, unless it still owns something", async () => {
      await claimed("owner");
      await store.openWorker("idle", LEASE_MS);
      await store.closeWorker("owner", { forget: true });
      await store.closeWorker("idle", { forget: true });
      expect((await store.listWorkers()).map(({ id }) => id)).toEqual(["owner"]);
    });

    it("a worker lets go of runs that it does not know of, and of no others", async () => {
      const known = await claimed("w1");
      const { id } = await claimed("w1");
      await claimed("w2");
      const held = { runId: known.id, epoch: 1 };
      expect(await store.disown("w1", turn(), [held])).toBe(1);
      expect(await store.disown("w1", turn(), [held])).toBe(0);
      expect(await store.getRun(known.id)).toMatchObject({ owner: "w1", epoch: 1, unclean: 1 });
      expect(await store.getRun(id)).toMatchObject({ owner: null, epoch: 2, unclean: 0, status: "pending" });
      const { claims } = await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 9, alone: false });
      expect(claims).toMatchObject([{ runId: id, epoch: 3, uncleanBefore: 0 }]);
    });

    it("a worker lets go of a run that it knows of under an older epoch", async () => {
      const { id } = await claimed("w1");
      expect(await store.disown("w1", turn(), [{ runId: id, epoch: 0 }])).toBe(1);
      expect(await store.getRun(id)).toMatchObject({ owner: null, epoch: 2, status: "pending" });
    });

    it("a claim that arrives late, or again, does nothing and says so", async () => {
      await store.openWorker("w1", LEASE_MS);
      const [early, late] = [turn(), turn()];
      const request = { worker: "w1", programs: [PROGRAM], limit: 1, alone: false };
      const first = await pending();
      expect(await store.claim({ ...request, turn: late })).toMatchObject({
        isVoid: false,
        claims: [{ runId: first }],
      });
      const second = await pending();
      expect(await store.claim({ ...request, turn: late })).toMatchObject({ isVoid: true, claims: [] });
      expect(await store.claim({ ...request, turn: early })).toMatchObject({ isVoid: true, claims: [] });
      expect(await store.disown("w1", early, [])).toBe(0);
      expect(await store.getRun(first)).toMatchObject({ owner: "w1", epoch: 1 });
      expect(await store.getRun(second)).toMatchObject({ owner: null, epoch: 0 });
      expect(await store.disown("w1", turn(), [])).toBe(1);
      expect(await store.claim({ ...request, turn: turn() })).toMatchObject({ isVoid: false, claims: [{ epoch: 1 }] });
    });

    it("a worker is told the time when it registers", async () => {
      const before = await store.now();
      const told = await store.openWorker("w1", LEASE_MS);
      expect(told).toBeGreaterThanOrEqual(before);
      expect(told).toBeLessThanOrEqual(await store.now());
    });
  });

  describe("suspects", () => {
    /** Lets claims of one run end uncleanly `times` times. */
    async function crash(times: number): Promise<string> {
      const id = await pending();
      for (let i = 0; i < times; i++) {
        const worker = `crashing-${id}-${i}`;
        await store.openWorker(worker, LEASE_MS);
        const alone = i >= UNCLEAN_ALONE_FROM;
        const { claims } = await store.claim({ turn: turn(), worker, programs: [PROGRAM], limit: 1, alone });
        expect(claims).toMatchObject([{ runId: id, uncleanBefore: i }]);
        await store.closeWorker(worker);
      }
      return id;
    }

    it("from the third claim on a run is claimed only alone", async () => {
      const id = await crash(UNCLEAN_ALONE_FROM);
      await store.openWorker("w1", LEASE_MS);
      expect(await store.workAhead("w1", [PROGRAM])).toMatchObject({ suspectDue: true });
      expect(
        (await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 9, alone: false })).claims,
      ).toEqual([]);
      const { claims } = await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 9, alone: true });
      expect(claims).toMatchObject([{ runId: id, uncleanBefore: UNCLEAN_ALONE_FROM }]);
    });

    it("a suspect that is not due yet, or has a live owner, is ahead; one that is due is not an instant", async () => {
      const id = await crash(UNCLEAN_ALONE_FROM);
      expect(await store.workAhead("w1", [PROGRAM])).toMatchObject({ dueAt: null, suspectDue: true });
      await store.openWorker("w1", LEASE_MS);
      const { claims } = await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 1, alone: true });
      const [lease] = (await store.listWorkers()).filter((worker) => worker.id === "w1");
      expect(await store.workAhead("w2", [PROGRAM])).toMatchObject({ dueAt: lease?.expiresAt, suspectDue: false });
      expect(await store.workAhead("w1", [PROGRAM])).toMatchObject({ dueAt: null, suspectDue: false });
      const availableAt = Math.floor(await store.now()) + 3_600_000;
      const row = moved({ status: "waiting", availableAt, release: true, unclean: "undo" });
      await write({ runs: [append(id, claims[0]?.epoch ?? 0, 2, { events: [], row })] });
      expect(await store.workAhead("w1", [PROGRAM])).toMatchObject({ dueAt: availableAt, suspectDue: false });
    });

    it("a claim alone takes suspects only, one at a time", async () => {
      await pending();
      await store.openWorker("w1", LEASE_MS);
      expect(
        (await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 9, alone: true })).claims,
      ).toEqual([]);
    });

    it("a run that keeps ending its worker alone is parked as stuck under a new epoch", async () => {
      const id = await crash(UNCLEAN_ALONE_FROM + UNCLEAN_ALONE_MAX);
      await store.openWorker("w1", LEASE_MS);
      const verdict = await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 1, alone: true });
      expect(verdict).toEqual({ isVoid: false, claims: [], poisoned: [id] });
      const row = await store.getRun(id);
      expect(row).toMatchObject({ status: "stuck", owner: null, epoch: UNCLEAN_ALONE_FROM + UNCLEAN_ALONE_MAX + 1 });
      expect(JSON.parse(row!.stuck!).code).toBe(POISONED);
      expect(await store.workAhead("w1", [PROGRAM])).toMatchObject({ suspectDue: false });
    });

    it.each(["resume", "cancel", "terminate"] as const)(
      "%s has it tried again, as often, and other mail does not",
      async (kind) => {
        const id = await crash(UNCLEAN_ALONE_FROM + UNCLEAN_ALONE_MAX);
        await store.openWorker("w1", LEASE_MS);
        const claimAlone = () =>
          store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 1, alone: true });
        await claimAlone();
        await write({ messages: [message(id, "signal")] });
        expect(await claimAlone()).toMatchObject({ claims: [], poisoned: [id] });
        await write({ messages: [message(id, kind)] });
        const { claims, poisoned } = await claimAlone();
        expect([claims, poisoned]).toMatchObject([[{ runId: id, uncleanBefore: UNCLEAN_ALONE_FROM }], []]);
      },
    );

    it("only runs that are stuck for another reason than poison are released", async () => {
      await crash(UNCLEAN_ALONE_FROM + UNCLEAN_ALONE_MAX);
      await store.openWorker("w0", LEASE_MS);
      await store.claim({ turn: turn(), worker: "w0", programs: [PROGRAM], limit: 1, alone: true });
      const { id, epoch } = await claimed("w1");
      const row = moved({
        status: "stuck",
        availableAt: null,
        release: true,
        unclean: "undo",
        stuck: '{"code":"REPLAY_DIVERGED","message":""}',
      });
      await write({ runs: [append(id, epoch, 2, { events: [], row })] });
      expect(await store.releaseStuck([{ workflow: "ship", version: "9" }])).toBe(0);
      expect(await store.releaseStuck([PROGRAM])).toBe(1);
      const { claims } = await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 9, alone: false });
      expect(claims).toMatchObject([{ runId: id, wasStuck: true }]);
    });
  });

  describe("the inbox", () => {
    const cancel = (id: string) => message(id, "cancel");

    it("a message is kept in order of arrival until it is drained under the fence", async () => {
      const { id, epoch } = await claimed();
      const messages = [cancel(id), cancel(id)];
      const verdict = await write({ messages });
      expect([...verdict.messages.values()]).toEqual(["accepted", "accepted"]);
      const mail = await store.readInbox([id]);
      expect(mail).toMatchObject(messages);
      expect((await store.heartbeat("w1", LEASE_MS)).mail).toEqual([id]);
      await write({ runs: [append(id, epoch + 1, 2, { drained: [mail[0]!.id] })] });
      expect(await store.readInbox([id])).toHaveLength(2);
      await write({ runs: [append(id, epoch, 2, { drained: [mail[0]!.id] })] });
      expect(await store.readInbox([id])).toEqual([mail[1]]);
    });

    it("a message that is sent again is the same one", async () => {
      const { id } = await claimed();
      const sent = cancel(id);
      await write({ messages: [sent] });
      expect([...(await write({ messages: [sent] })).messages.values()]).toEqual(["accepted"]);
      expect(await store.readInbox([id])).toHaveLength(1);
    });

    it("a message to a waiting run makes it claimable", async () => {
      const { id, epoch } = await claimed();
      const row = moved({ status: "waiting", availableAt: null, release: true, unclean: "undo" });
      await write({ runs: [append(id, epoch, 2, { row })] });
      expect(
        (await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 1, alone: false })).claims,
      ).toEqual([]);
      await write({ messages: [cancel(id)] });
      expect(await store.getRun(id)).toMatchObject({ status: "pending" });
      const { claims } = await store.claim({ turn: turn(), worker: "w1", programs: [PROGRAM], limit: 1, alone: false });
      expect(claims).toMatchObject([{ runId: id, hasMail: true }]);
      expect(await store.readInbox([id])).toHaveLength(1);
    });

    it("a run does not park while a message waits", async () => {
      const { id, epoch } = await claimed();
      await write({ messages: [cancel(id)] });
      const row = moved({ status: "waiting", availableAt: null, release: true });
      await write({ runs: [append(id, epoch, 2, { row })] });
      expect(await store.getRun(id)).toMatchObject({ status: "pending", owner: null });
      expect((await store.workAhead("w1", [PROGRAM])).dueAt).not.toBeNull();
    });

    it("a message in the same write as the park is not lost", async () => {
      const { id, epoch } = await claimed();
      const row = moved({ status: "waiting", availableAt: null, release: true });
      await write({ runs: [append(id, epoch, 2, { row })], messages: [cancel(id)] });
      expect(await store.getRun(id)).toMatchObject({ status: "pending" });
    });

    it("a message to a run that is over is refused, and its end discards what is left", async () => {
      const { id, epoch } = await claimed();
      await write({ messages: [cancel(id)] });
      const row = moved({ status: "completed", availableAt: null, release: true, result: "{}", endedAt: 3 });
      await write({ runs: [append(id, epoch, 2, { row })] });
      expect(await store.readInbox([id])).toEqual([]);
      expect([...(await write({ messages: [cancel(id)] })).messages.values()]).toEqual(["over"]);
      expect(await store.readInbox([id])).toEqual([]);
    });

    it("a message to no run is refused", async () => {
      expect([...(await write({ messages: [cancel("run_none")] })).messages.values()]).toEqual(["unknown-run"]);
    });

    it("a full inbox refuses more", async () => {
      const { id } = await claimed();
      await write({ messages: Array.from({ length: INBOX_ROWS_MAX }, () => cancel(id)) });
      expect([...(await write({ messages: [cancel(id)] })).messages.values()]).toEqual(["full"]);
    });
  });

  describe("reads", () => {
    it("a load leaves out what lies within completed scopes, and reads open ones", async () => {
      const { id, epoch } = await claimed();
      const at = (scope: string | null, type: string, key: string) => ({
        ...eventOf(type, key, type.endsWith("completed") ? { value: 1 } : null),
        scope,
      });
      const events = [
        at(null, "attempt.started", "before"),
        at("", "scope.started", "done"),
        at("done", "attempt.started", "done/a"),
        at("done", "scope.started", "done/in"),
        at("done/in", "attempt.started", "done/in/x"),
        at("", "scope.started", "open"),
        at("done", "scope.completed", "done/in"),
        at("open", "scope.started", "open/in"),
        at("open/in", "attempt.started", "open/in/x"),
        at("", "scope.completed", "done"),
        at("open", "attempt.started", "open/b"),
        at("", "attempt.started", "after"),
      ];
      await write({ runs: [append(id, epoch, 2, { events })] });
      const loaded = (await store.load([{ runId: id, head: 13 }])).get(id)!;
      expect(loaded.map((row) => row.key ?? row.type)).toEqual([
        "run.created",
        "before",
        "done",
        "open",
        "open/in",
        "open/in/x",
        "done",
        "open/b",
        "after",
      ]);
    });

    it("a load reads what lies within completed scopes that a retry undoes, and nothing else of it", async () => {
      const { id, epoch } = await claimed();
      const at = (scope: string | null, type: string, key: string | null, data: object | null = null) => ({
        ...eventOf(type, key, data ?? (type.endsWith("completed") ? { value: 1 } : null)),
        scope,
      });
      const scope = (key: string, before = "") => [
        at(before, "scope.started", key),
        at(key, "attempt.started", `${key}/a`),
        at(before, "scope.completed", key),
      ];
      const inner = scope("late/in", "late");
      // 2 to 4, 5, 6 to 8 and 9 to 15: the retry is from 5 on.
      const lived = [...scope("early"), at("", "step.failed", "x", { error: {} }), ...scope("again")];
      const events = [...lived, at("", "scope.started", "late"), ...inner, at("", "scope.completed", "late")];
      const reopened = at("", "run.reopened", null, { from: 5 });
      await write({ runs: [append(id, epoch, 2, { events: [...events, reopened, ...scope("again")] })] });
      const loaded = (await store.load([{ runId: id, head: 17 }])).get(id)!;
      // What was made again, and has completed since, is one outcome.
      expect(loaded.map(({ seq }) => seq)).toEqual([1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 17]);
    });

    it("a load has the last event in any case, also one within a completed scope", async () => {
      const { id, epoch } = await claimed();
      const within = { ...eventOf("attempt.late", "done/a", { value: 1 }), scope: "done" };
      const events = [
        { ...eventOf("scope.started", "done"), scope: "" },
        { ...eventOf("attempt.started", "done/a"), scope: "done" },
        { ...eventOf("scope.completed", "done", { value: 1 }), scope: "" },
        within,
        within,
      ];
      await write({ runs: [append(id, epoch, 2, { events })] });
      const loaded = (await store.load([{ runId: id, head: 6 }])).get(id)!;
      expect(loaded.map(({ seq }) => seq)).toEqual([1, 2, 4, 6]);
    });

    it("a load of many and of long runs has every event of each", async () => {
      const long = await claimed("w1");
      const many = Array.from({ length: 6_000 }, (_, i) => eventOf("attempt.started", `s${i}`));
      for (let i = 0; i < many.length; i += 2_000) {
        await write({ runs: [append(long.id, long.epoch, 2 + i, { events: many.slice(i, i + 2_000) })] });
      }
      const short = [await pending(), await pending()];
      const loads = await store.load([{ runId: long.id, head: 6_001 }, ...short.map((id) => ({ runId: id, head: 1 }))]);
      expect(loads.get(long.id)?.map((row) => row.seq)).toEqual(Array.from({ length: 6_001 }, (_, i) => i + 1));
      for (const id of short) expect(loads.get(id)?.map((row) => row.seq)).toEqual([1]);
    });

    it("a list goes by windows over what its filter names, and misses nothing", async () => {
      const ids: string[] = [];
      for (let i = 0; i < 24; i++) {
        const tags = { third: String(i % 3) };
        ids.unshift(await pending({ tags, workflow: i % 8 === 0 ? "rare" : "ship" }));
      }
      const throughout = async (filter: RunFilter, rows: number) => {
        const [found, by]: [string[], string[]] = [[], []];
        for (let before: string | null = null; ; ) {
          const window = await store.runWindow(filter, { before, rows });
          const page = await store.listRuns(filter, { before, limit: 99, window });
          expect(page.length).toBeLessThanOrEqual(rows);
          found.push(...page.map(({ id }) => id));
          by.push(window.by);
          if (window.from === null) return { found, by };
          before = window.from;
        }
      };
      for (const rows of [1, 5, 100]) {
        const { found } = await throughout({ tags: { third: "1" } }, rows);
        expect(found).toEqual(ids.filter((_, i) => (23 - i) % 3 === 1));
        const both = await throughout({ workflow: "ship", status: ["pending"], tags: { third: "2" } }, rows);
        expect(both.found).toEqual(ids.filter((_, i) => (23 - i) % 3 === 2 && (23 - i) % 8 !== 0));
      }
      // What is rare ends the search: three runs, and not 24.
      expect(await throughout({ workflow: "rare", status: ["pending"] }, 5)).toEqual({
        found: ids.filter((_, i) => (23 - i) % 8 === 0),
        by: ["workflow"],
      });
      expect(await throughout({ workflow: "ship", status: ["failed", "stuck"] }, 5)).toEqual({
        found: [],
        by: ["status"],
      });
      expect(await throughout({ parentId: "run_none", workflow: "ship" }, 5)).toEqual({ found: [], by: ["parent"] });
      expect((await throughout({ status: ["pending", "failed"] }, 6)).found).toEqual(ids);
      expect((await throughout({ status: [] }, 6)).found).toEqual([]);
    });

    it("a list is newest first, filtered and paged", async () => {
      const ids = [
        await pending({ tags: { a: "1" } }),
        await pending({ tags: { a: "2", b: "x" } }),
        await pending({ tags: { a: "1" }, workflow: "other" }),
      ];
      const page = { before: null, limit: 10 };
      expect((await store.listRuns({}, page)).map((row) => row.id)).toEqual([...ids].reverse());
      expect((await store.listRuns({ tags: { a: "1" } }, page)).map((row) => row.id)).toEqual([ids[2], ids[0]]);
      expect(
        (await store.listRuns({ workflow: "ship", status: ["pending", "running"] }, page)).map((row) => row.id),
      ).toEqual([ids[1], ids[0]]);
      expect(await store.listRuns({ status: ["failed"] }, page)).toEqual([]);
      expect((await store.listRuns({}, { before: ids[2]!, limit: 1 })).map((row) => row.id)).toEqual([ids[1]]);
    });

    it("the runs that have events are listed, greatest id first and paged", async () => {
      const ids = [await pending(), await pending(), await pending()];
      const silent = runId();
      await write({ starts: [start(silent)] });
      expect(await store.listLoggedRuns({ before: null, limit: 10 })).toEqual([...ids].reverse());
      expect(await store.listLoggedRuns({ before: null, limit: 2 })).toEqual([ids[2], ids[1]]);
      expect(await store.listLoggedRuns({ before: ids[1]!, limit: 2 })).toEqual([ids[0]]);
      expect(await store.listLoggedRuns({ before: ids[0]!, limit: 2 })).toEqual([]);
    });

    it("a write that does not say when a run was started leaves that as it is", async () => {
      const { id, epoch } = await claimed();
      await write({ runs: [append(id, epoch, 2, { row: moved({ status: "running", startedAt: 7 }) })] });
      await write({ runs: [append(id, epoch, 3, { row: moved({ status: "stuck", stuck: "{}", release: true }) })] });
      expect(await store.getRun(id)).toMatchObject({ status: "stuck", startedAt: 7 });
    });

    it("the log is read by position across runs", async () => {
      const [a, b] = [await pending(), await pending()];
      const rows = await store.readLog({ afterPosition: 0, limit: 10 });
      expect(rows.map((row) => row.runId)).toEqual([a, b]);
      expect(await store.lastPosition()).toBe(rows[1]!.position);
      expect(await store.readLog({ afterPosition: rows[0]!.position, limit: 10 })).toEqual([rows[1]]);
    });

    it("API keys are stored by their digest and can be revoked", async () => {
      const key = { id: "key_1", name: "ci", hash: "ab", scopes: ["runs:read"], createdAt: 1, revokedAt: null };
      await store.putApiKey(key);
      await store.putApiKey({ ...key, revokedAt: 5 });
      expect(await store.listApiKeys()).toEqual([{ ...key, revokedAt: 5 }]);
    });
  });

  beyondContract(() => store);
  keyedContract(() => ({ store, pass }));
  locksContract(() => store);
  schedulesContract(() => store);
  outgoingContract(() => ({ store, pass }));
  deliveriesContract(() => ({ store, pass }));
  messagesContract(() => ({ store, pass }));
  patienceContract(
    () => store,
    (ms) => pass(ms),
  );
  poolsContract(
    () => store,
    (ms) => pass(ms),
  );
  outlookContract(() => store);
  placesContract(
    () => store,
    (ms) => pass(ms),
  );
  fairnessContract(() => store);
}
