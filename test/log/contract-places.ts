/** What every log must do with runs that have limits: lines of places, and who is admitted when. */
import { describe, expect, it } from "vitest";
import type { RateTake } from "../../src/kernel/place-limit.ts";
import type { LogStore } from "../../src/log/port.ts";
import { ARRIVALS_MAX, LOOK_AHEAD } from "../../src/log/port-places.ts";
import { append, beyond, created, ended, LEASE_MS, left, message, type OpenedLog, runId, start } from "./hand.ts";
import { handInLines, NOTHING } from "./hand-places.ts";
import { eventOf, moved, PROGRAM } from "./writes.ts";

export function placesContract(store: () => LogStore, pass: OpenedLog["pass"]): void {
  const hand = handInLines(store);
  const { arrive, claimWith, end, goOn, idsOf, inLine, limited, line, next, only, startOf, statusOf, write, yields } =
    hand;

  describe("a run with limits", () => {
    it("is not claimed before it has got in line, and a look ahead says that it must", async () => {
      const id = await limited([line("a")]);
      await store().openWorker("w1", LEASE_MS);
      expect((await claimWith(false, 9, "w1")).claims).toEqual([]);
      const ahead = await store().workAhead("w1", [PROGRAM]);
      expect(ahead).toMatchObject({ linesDue: true, dueAt: 0 });
      expect(idsOf(await arrive())).toEqual([id]);
      expect(await store().workAhead("w1", [PROGRAM])).toMatchObject({ linesDue: false, dueAt: null });
      expect(await store().getRun(id)).toMatchObject({ limits: [line("a")], lineAt: null, availableAt: null });
    });

    it("that is delayed gets in line when it is due, and not before", async () => {
      const now = await store().now();
      const id = await limited([line("a")], now + 300);
      expect(await arrive()).toEqual([]);
      expect(await inLine("a")).toEqual([]);
      expect(await store().workAhead("w1", [PROGRAM])).toMatchObject({ linesDue: false, dueAt: now + 300 });
      await pass(320);
      expect(idsOf(await arrive())).toEqual([id]);
    });

    it("waits while the line is full, and is admitted by the write that ends the one before", async () => {
      const [a, b] = [await limited([line("a")]), await limited([line("a")])];
      const first = await only(arrive());
      expect(first.id).toBe(a);
      expect(await inLine("a")).toEqual([`${a} holds`, `${b} waits`]);
      expect(await store().getRun(b)).toMatchObject({ status: "pending", availableAt: null, lineAt: null });
      await write({ runs: [end(first)] });
      expect(await inLine("a")).toEqual([`${b} holds`]);
      expect((await store().getRun(b))?.availableAt).not.toBeNull();
      expect(idsOf(await arrive())).toEqual([b]);
    });

    it("never shares a line with more than it lets in, however many end and arrive at once", async () => {
      for (let i = 0; i < 7; i++) await limited([line("a", 3)]);
      const first = await arrive();
      expect(first).toHaveLength(3);
      await write({ runs: first.slice(0, 2).map(end) });
      await limited([line("a", 3)]);
      expect(await arrive()).toHaveLength(2);
      expect((await inLine("a")).filter((place) => place.endsWith("holds"))).toHaveLength(3);
      expect((await inLine("a")).filter((place) => place.endsWith("waits"))).toHaveLength(3);
    });

    it("goes before others by its rank, and after them by its id", async () => {
      await limited([line("a")]);
      const first = await only(arrive());
      const late = await limited([line("a", 1, { rank: 5 })]);
      const [x, y] = [await limited([line("a", 1, { rank: 3 })]), await limited([line("a", 1, { rank: 3 })])];
      expect(await arrive()).toEqual([]);
      const order: string[] = [];
      for (let run = first; order.length < 3; ) {
        await write({ runs: [end(run)] });
        run = await only(arrive());
        order.push(run.id);
      }
      expect(order).toEqual([x, y, late]);
    });

    it("arrives in the order of its rank too", async () => {
      const late = await limited([line("a", 1, { rank: 5 })]);
      const early = await limited([line("a", 1, { rank: 3 })]);
      expect(idsOf(await arrive())).toEqual([early]);
      expect(await inLine("a")).toEqual([`${early} holds`, `${late} waits`]);
    });

    it("takes its places all at once or none", async () => {
      await limited([line("a")]);
      const holder = await only(arrive());
      const both = await limited([line("a"), line("b")]);
      expect(await arrive()).toEqual([]);
      expect(await inLine("b")).toEqual([`${both} waits`]);
      const other = await limited([line("b")]);
      expect(idsOf(await arrive())).toEqual([other]);
      await write({ runs: [end(holder)] });
      expect(await inLine("a")).toEqual([`${both} waits`]);
      expect(await arrive()).toEqual([]);
    });

    it("is not passed over for good by those that need only one of its places", async () => {
      await limited([line("a"), line("b")]);
      const holder = await only(arrive());
      const both = await limited([line("a"), line("b")]);
      const [a, b] = [await limited([line("a", 1, { rank: 1 })]), await limited([line("b", 1, { rank: 1 })])];
      expect(await arrive()).toEqual([]);
      await write({ runs: [end(holder)] });
      expect(idsOf(await arrive())).toEqual([both]);
      expect(await inLine("a")).toEqual([`${both} holds`, `${a} waits`]);
      expect(await inLine("b")).toEqual([`${both} holds`, `${b} waits`]);
    });

    it("does not hold up those behind it while it waits for something else", async () => {
      await limited([line("a", 2), line("b")]);
      const holder = await only(arrive());
      const blocked = await limited([line("a", 2), line("b")]);
      const free = await limited([line("a", 2, { rank: 1 }), line("c")]);
      expect(idsOf(await arrive())).toEqual([free]);
      expect(await inLine("a")).toEqual([`${holder.id} holds`, `${free} holds`, `${blocked} waits`]);
    });

    it(`is looked for among the first ${LOOK_AHEAD} of a line`, async () => {
      await limited([line("b")]);
      await only(arrive());
      await limited([line("a")]);
      const holder = await only(arrive());
      for (let i = 1; i < LOOK_AHEAD; i++) await limited([line("a"), line("b")]);
      const last = await limited([line("a", 1, { rank: 1 })]);
      expect(await arrive()).toEqual([]);
      await write({ runs: [end(holder)] });
      expect(idsOf(await arrive())).toEqual([last]);
    });

    it(`gets in line with at most ${ARRIVALS_MAX} others`, async () => {
      const ids = Array.from({ length: ARRIVALS_MAX + 1 }, () => runId());
      const limits = { places: [line("a")], lineAt: 0, ...NOTHING };
      await write({
        starts: ids.map((id) => start(id, { limits })),
        runs: ids.map((id) => created(id, { row: moved({ availableAt: null }) })),
      });
      expect(await arrive()).toHaveLength(1);
      expect(await store().workAhead("w1", [PROGRAM])).toMatchObject({ linesDue: true });
      await arrive();
      expect(await inLine("a")).toHaveLength(ARRIVALS_MAX + 1);
      expect(await store().workAhead("w1", [PROGRAM])).toMatchObject({ linesDue: false });
    });

    it("of no lines is admitted when it is due", async () => {
      const id = await limited([]);
      expect(idsOf(await arrive())).toEqual([id]);
    });

    it("that another run starts gets in line like any", async () => {
      await limited([line("a")]);
      const parent = await only(arrive());
      const child = runId();
      const limits = { places: [line("a")], lineAt: 7, ...NOTHING };
      const event = eventOf("run.created", null, { ...PROGRAM, input: { value: 1 } });
      const children = [{ start: start(child, { limits, parentId: parent.id }), created: event, availableAt: 7 }];
      await goOn(parent, { beyond: beyond({ children }) });
      expect(await store().getRun(child)).toMatchObject({ availableAt: null, lineAt: 7, limits: [line("a")] });
      expect(await arrive()).toEqual([]);
      await write({ runs: [end(parent)] });
      expect(idsOf(await arrive())).toEqual([child]);
    });

    it("that is started again under its key has its places once", async () => {
      const id = runId();
      const part = startOf(id, [line("a")]);
      await write(part);
      await write(part);
      await arrive();
      await write(part);
      expect(await inLine("a")).toEqual([`${id} holds`]);
      expect(await store().getRun(id)).toMatchObject({ status: "running", lineAt: null });
    });
  });

  describe("a place", () => {
    it("that is held for life stays while its run waits, and the run goes on at once when it is woken", async () => {
      await limited([line("a")]);
      const run = await only(arrive());
      const behind = await limited([line("a")]);
      await arrive();
      await write({ runs: [yields(run)] });
      expect(await inLine("a")).toEqual([`${run.id} holds`, `${behind} waits`]);
      await write({ messages: [message(run.id, "signal")] });
      expect(await store().getRun(run.id)).toMatchObject({ status: "pending", availableAt: null });
      expect(idsOf(await arrive())).toEqual([run.id]);
    });

    it("of a queue is given back by a run that waits, which then goes before those that came later", async () => {
      const queue = line("q", 1, { hold: "work" });
      const a = await limited([queue]);
      const run = await only(arrive());
      const [b, c] = [await limited([{ ...queue, rank: 1 }]), await limited([{ ...queue, rank: 2 }])];
      expect(await arrive()).toEqual([]);
      await write({ runs: [yields(run)] });
      expect(await statusOf(a)).toBe("waiting");
      const second = await only(arrive());
      expect(second.id).toBe(b);
      await write({ messages: [message(a, "signal")] });
      expect(await arrive()).toEqual([]);
      expect(await inLine("q")).toEqual([`${b} holds`, `${a} waits`, `${c} waits`]);
      await write({ runs: [end(second)] });
      expect(idsOf(await arrive())).toEqual([a]);
    });

    it("of a queue is asked for again when the time comes for which its run waits", async () => {
      const queue = line("q", 1, { hold: "work" });
      const a = await limited([queue]);
      const run = await only(arrive());
      const at = Math.floor(await store().now()) + 200;
      const verdict = await write({ runs: [yields(run, at)] });
      expect(verdict.runs.get(a)?.availableAt).toBe(at);
      expect(await store().getRun(a)).toMatchObject({ status: "waiting", availableAt: null, lineAt: at });
      expect(await arrive()).toEqual([]);
      await pass(220);
      expect(idsOf(await arrive())).toEqual([a]);
    });

    it("of a queue is asked for at once by a run that parks with mail", async () => {
      const queue = line("q", 1, { hold: "work" });
      const a = await limited([queue]);
      const run = await only(arrive());
      const b = await limited([{ ...queue, rank: 1 }]);
      await arrive();
      await write({ messages: [message(a, "signal")] });
      const verdict = await write({ runs: [yields(run)] });
      expect(verdict.runs.get(a)?.availableAt).not.toBeNull();
      expect(await store().getRun(a)).toMatchObject({ status: "pending", availableAt: null });
      // Its place was given back and granted in that very write.
      expect(await inLine("q")).toEqual([`${b} holds`]);
      expect(idsOf(await arrive())).toEqual([b]);
    });

    it("of a queue is given back by a run that is paused or stuck; the others are kept", async () => {
      for (const status of ["paused", "stuck"] as const) {
        const [queue, life] = [line(`q-${status}`, 1, { hold: "work" }), line(`l-${status}`)];
        const a = await limited([queue, life]);
        const run = await only(arrive());
        await write({ runs: [next(run, { row: left(status), beyond: beyond({ places: "yield" }) })] });
        expect(await inLine(queue.line)).toEqual([]);
        expect(await inLine(life.line)).toEqual([`${a} holds`]);
        expect(await store().getRun(a)).toMatchObject({ status, availableAt: null, lineAt: null });
      }
    });

    it("stays with a run whose worker is gone, until another has taken it over", async () => {
      const a = await limited([line("a")]);
      await only(arrive(9, "w1"));
      const b = await limited([line("a")]);
      await arrive(9, "w2");
      await store().closeWorker("w1");
      expect(await inLine("a")).toEqual([`${a} holds`, `${b} waits`]);
      const again = await only(arrive(9, "w2"));
      expect(again).toMatchObject({ id: a, epoch: 2 });
      await write({ runs: [end(again)] });
      expect(idsOf(await arrive(9, "w2"))).toEqual([b]);
    });

    it("stays as it is with a write that is stale, and with one that does not say anything of it", async () => {
      const a = await limited([line("a", 1, { hold: "work" })]);
      const run = await only(arrive());
      const stale = append(a, run.epoch - 1, 2, { row: ended("completed"), beyond: beyond({ places: "end" }) });
      await write({ runs: [stale] });
      await goOn(run);
      await goOn(run, { beyond: beyond({}) });
      expect(await inLine("a")).toEqual([`${a} holds`]);
      await write({ runs: [end(run)] });
      await write({ runs: [end(run)] });
      expect(await inLine("a")).toEqual([]);
    });

    it("is asked for again by a run that is reopened, or released when it was stuck", async () => {
      const a = await limited([line("a")]);
      const run = await only(arrive());
      const failed = { row: ended("failed"), beyond: beyond({ places: "end" }) };
      await write({ runs: [next(run, failed)] });
      const b = await limited([line("a")]);
      const second = await only(arrive());
      expect(second.id).toBe(b);
      expect(
        await store().reopen({ runId: a, seq: 3, event: eventOf("run.reopened", null, { from: 2 }), open: [] }),
      ).toBe(true);
      expect(await arrive()).toEqual([]);
      expect(await inLine("a")).toEqual([`${b} holds`, `${a} waits`]);
      await write({
        runs: [next(second, { row: { ...left("stuck"), stuck: '{"code":"X"}' }, beyond: beyond({ places: "yield" }) })],
      });
      expect(await store().releaseStuck([PROGRAM])).toBe(1);
      expect(idsOf(await arrive())).toEqual([b]);
    });
  });

  describe("a line", () => {
    it("that is made longer admits those for whom there is room then, and one that is made shorter nobody", async () => {
      for (let i = 0; i < 5; i++) await limited([line("a")]);
      await only(arrive());
      await store().setLine({ line: "a", slots: 3, paused: false });
      expect(await arrive()).toHaveLength(2);
      await store().setLine({ line: "a", slots: 1, paused: false });
      const held = (await store().listPlaces({ line: "a", limit: 9 })).filter(({ grantedAt }) => grantedAt !== null);
      expect(held).toHaveLength(3);
      await limited([line("a", 9, { rank: -1 })]);
      expect(await arrive()).toEqual([]);
      await store().setLine({ line: "a", slots: null, paused: false });
      expect(await arrive()).toHaveLength(1);
    });

    it("that is paused admits nobody until it is resumed", async () => {
      await store().setLine({ line: "a", slots: null, paused: true });
      const [a, b] = [await limited([line("a", 2)]), await limited([line("a", 2)])];
      expect(await arrive()).toEqual([]);
      expect(await store().getLine("a")).toEqual({ line: "a", slots: null, paused: true });
      await store().setLine({ line: "a", slots: null, paused: false });
      expect(idsOf(await arrive())).toEqual([a, b]);
    });

    it("of which something was set is listed, in order and paged", async () => {
      const settings = ["b", "a", "c"].map((name) => ({ line: name, slots: 2, paused: false }));
      for (const setting of settings) await store().setLine(setting);
      expect(await store().getLine("z")).toBeNull();
      expect((await store().listLines({ after: null, limit: 2 })).map((each) => each.line)).toEqual(["a", "b"]);
      expect(await store().listLines({ after: "b", limit: 2 })).toEqual([settings[2]]);
    });
  });

  describe("mail for a run in line", () => {
    it("does not make it claimable", async () => {
      await limited([line("a")]);
      await only(arrive());
      const b = await limited([line("a")]);
      await arrive();
      await write({ messages: [message(b, "signal")] });
      expect(await store().workAhead("w1", [PROGRAM])).toMatchObject({ linesDue: true });
      expect(await arrive()).toEqual([]);
      expect(await store().getRun(b)).toMatchObject({ status: "pending", availableAt: null, lineAt: null });
    });

    it("that cancels it before it has begun lets it go past the others, to its end", async () => {
      for (const kind of ["cancel", "terminate"] as const) {
        const name = `a-${kind}`;
        await limited([line(name)]);
        const holder = await only(arrive());
        const b = await limited([line(name)]);
        await arrive();
        await write({ messages: [message(b, kind)] });
        const run = await only(arrive());
        expect(run.id).toBe(b);
        expect(await inLine(name)).toEqual([`${holder.id} holds`, `${b} waits`]);
        await write({ runs: [end(run)] });
        expect(await inLine(name)).toEqual([`${holder.id} holds`]);
      }
    });

    it("that cancels it later must wait for a place: its code is still to be told", async () => {
      const queue = line("q", 1, { hold: "work" });
      const a = await limited([queue]);
      const run = await only(arrive());
      await limited([queue]);
      await arrive();
      await write({ runs: [yields(run)] });
      const holder = await only(arrive());
      await write({ messages: [message(a, "cancel")] });
      expect(await arrive()).toEqual([]);
      await write({ runs: [end(holder)] });
      expect(idsOf(await arrive())).toEqual([a]);
    });
  });

  describe("a bucket", () => {
    const take = (bucket: string, more: Partial<RateTake> = {}): RateTake => ({
      ...{ bucket, intervalMs: 1_000, aheadMs: 0, delays: false },
      ...more,
    });

    /** Starts runs in one write. Returns those that were made, and when others can be. */
    async function starts(count: number, ...takes: RateTake[]) {
      const ids = Array.from({ length: count }, () => runId());
      const now = Math.floor(await store().now());
      const limits = { places: [], lineAt: now, takes, singleton: null };
      const verdict = await write({
        starts: ids.map((id) => start(id, { limits })),
        runs: ids.map((id) => created(id, { row: moved({ availableAt: null }) })),
      });
      return { ids, now, verdict };
    }

    it("lets as many start as it holds, refuses the others, and says when it has more", async () => {
      const { ids, now, verdict } = await starts(4, take("b", { aheadMs: 1_000 }));
      expect([...verdict.starts]).toEqual(ids.slice(0, 2).map((id) => [id, id]));
      expect([...verdict.refused.keys()]).toEqual(ids.slice(2));
      const waitMs = (verdict.refused.get(ids[3] as string) as number) - now;
      expect(waitMs).toBeGreaterThanOrEqual(1_000);
      expect(waitMs).toBeLessThan(2_000);
      expect(await store().getRun(ids[2] as string)).toBeNull();
      expect(await store().readHistory(ids[2] as string, { afterSeq: 0, limit: 9 })).toEqual([]);
      expect(idsOf(await arrive())).toEqual(ids.slice(0, 2));
    });

    it("fills up again with time, and no further than it holds", async () => {
      await starts(2, take("b", { intervalMs: 600, aheadMs: 600 }));
      await pass(700);
      expect((await starts(2, take("b", { intervalMs: 600, aheadMs: 600 }))).verdict.refused.size).toBe(1);
      await pass(1_500);
      expect((await starts(3, take("b", { intervalMs: 600, aheadMs: 600 }))).verdict.refused.size).toBe(1);
    });

    it("is one for each key", async () => {
      await starts(1, take("b"));
      expect((await starts(1, take("c"))).verdict.refused.size).toBe(0);
      expect((await starts(1, take("b"))).verdict.refused.size).toBe(1);
    });

    it("gives nothing to a start that makes no run, and one token to one that is sent again", async () => {
      const [a, b] = [runId(), runId()];
      const limits = { places: [], lineAt: 0, takes: [take("b", { aheadMs: 2_000 })], singleton: null };
      const part = (id: string) => ({
        starts: [start(id, { limits, idempotencyKey: `key of ${a}` })],
        runs: [created(id, { row: moved({ availableAt: null }) })],
      });
      for (const id of [a, a, b]) expect((await write(part(id))).starts.get(id)).toBe(a);
      expect((await starts(3, take("b", { aheadMs: 2_000 }))).verdict.refused.size).toBe(1);
    });

    it("that delays lets all start, each in its turn", async () => {
      const { ids, now, verdict } = await starts(3, take("b", { delays: true }));
      expect(verdict.refused.size).toBe(0);
      const lineAts = await Promise.all(ids.map(async (id) => ((await store().getRun(id))?.lineAt as number) - now));
      expect(lineAts[0]).toBe(0);
      for (const [i, at] of [lineAts[1], lineAts[2]].entries()) {
        expect(at).toBeGreaterThanOrEqual(1_000 * (i + 1));
        expect(at).toBeLessThan(1_000 * (i + 1) + 500);
      }
      expect(idsOf(await arrive())).toEqual(ids.slice(0, 1));
    });

    it("delays children that it would refuse: somebody waits for them", async () => {
      const parent = await only(limited([]).then(() => arrive()));
      const limits = { places: [], lineAt: 0, takes: [take("b")], singleton: null };
      const event = eventOf("run.created", null, { ...PROGRAM, input: { value: 1 } });
      const ids = [runId(), runId()];
      const children = ids.map((id) => ({ start: start(id, { limits }), created: event, availableAt: 0 }));
      await goOn(parent, { beyond: beyond({ children }) });
      const now = await store().now();
      const [first, second] = await Promise.all(ids.map((id) => store().getRun(id)));
      expect(first?.lineAt).toBeLessThanOrEqual(now);
      expect(second?.lineAt).toBeGreaterThan(now + 500);
    });
  });

  describe("a singleton", () => {
    const startOne = (id: string, singleton = "s") => ({
      starts: [start(id, { limits: { places: [line("s")], lineAt: 0, takes: [], singleton } })],
      runs: [created(id, { row: moved({ availableAt: null }) })],
    });

    it("that is under way is found by the next start, which makes no run; after its end it is made", async () => {
      const [a, b, c] = [runId(), runId(), runId()];
      const verdict = await write({
        starts: [...startOne(a).starts, ...startOne(b).starts],
        runs: [...startOne(a).runs, ...startOne(b).runs],
      });
      expect([...verdict.starts]).toEqual([
        [a, a],
        [b, a],
      ]);
      expect(await store().getRun(b)).toBeNull();
      const run = await only(arrive());
      expect((await write(startOne(c))).starts.get(c)).toBe(a);
      expect((await write(startOne(c, "other"))).starts.get(c)).toBe(c);
      await write({ runs: [end(run)] });
      expect((await write(startOne(b))).starts.get(b)).toBe(b);
    });

    it("that ends in the write of the next start leaves that unmade, and undecided", async () => {
      const [a, b] = [runId(), runId()];
      await write(startOne(a));
      const run = await only(arrive());
      const next = startOne(b);
      const verdict = await write({ ...next, runs: [...next.runs, end(run)] });
      expect(verdict.starts.has(b)).toBe(false);
      expect((await write(next)).starts.get(b)).toBe(b);
    });

    it("that is over is not reopened while another is under way", async () => {
      const [a, b] = [runId(), runId()];
      await write(startOne(a));
      const run = await only(arrive());
      await write({ runs: [next(run, { row: ended("failed"), beyond: beyond({ places: "end" }) })] });
      await write(startOne(b));
      const event = eventOf("run.reopened", null, { from: 2 });
      expect(await store().reopen({ runId: a, seq: 3, event, open: [] })).toBe(false);
      const other = await only(arrive());
      await write({ runs: [end(other)] });
      expect(await store().reopen({ runId: a, seq: 3, event, open: [] })).toBe(true);
    });

    it("of the newest cancels those before it, which wait, run or are in line", async () => {
      const newest = line("n", 1, { hold: "newest" });
      const a = await limited([newest]);
      const first = await only(arrive());
      const b = await limited([newest]);
      expect(await arrive()).toEqual([]);
      expect(await store().readInbox([a])).toMatchObject([{ runId: a, kind: "cancel", token: `newest/${b}/${a}` }]);
      const c = await limited([newest]);
      expect(await arrive()).toEqual([]);
      // What waits in line has not begun: it goes past the others, to its end.
      const second = await only(arrive());
      expect(second.id).toBe(b);
      expect((await store().readInbox([b])).map(({ token }) => token)).toEqual([`newest/${c}/${b}`]);
      await write({ runs: [end(second)] });
      await write({ runs: [end(first)] });
      expect(idsOf(await arrive())).toEqual([c]);
      expect(await store().readInbox([c])).toEqual([]);
      await write({ messages: [message(c, "signal")] });
      await arrive();
      expect(await store().readInbox([c])).toHaveLength(1);
    });

    it("of the newest wakes those before it that are parked", async () => {
      const newest = line("n", 1, { hold: "newest" });
      const a = await limited([newest]);
      const first = await only(arrive());
      await write({ runs: [yields(first)] });
      await limited([newest]);
      expect(idsOf([...(await arrive()), ...(await arrive())])).toEqual([a]);
    });
  });
}
