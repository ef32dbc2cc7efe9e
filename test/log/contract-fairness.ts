/** What every log must do with runs that have fairness keys: those of different keys take turns. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PlaceLimit, TURN_COST } from "../../src/kernel/place-limit.ts";
import type { LogStore } from "../../src/log/port.ts";
import { LOOK_AHEAD, LOOK_AHEAD_OF_KEY } from "../../src/log/port-places.ts";
import { runId, start } from "./hand.ts";
import { handInLines, NOTHING } from "./hand-places.ts";

export function fairnessContract(store: () => LogStore): void {
  const { arrive, end, inLine, limited, line, only, startOf, write, yields } = handInLines(store);

  /** A place in the line "a" on the turns of a key. */
  const fair = (key: string, more: Partial<PlaceLimit> & { readonly weight?: number } = {}): PlaceLimit => {
    const { weight = 1, ...rest } = more;
    return line("a", 1, { fair: { key, cost: Math.round(TURN_COST / weight) }, ...rest });
  };

  /** Many runs in one write. Returns whose they are. */
  async function many(places: readonly PlaceLimit[]): Promise<Map<string, string>> {
    const parts = places.map((place) => ({ place, part: startOf(runId(), [place]) }));
    await write({
      starts: parts.flatMap(({ part }) => part.starts),
      runs: parts.flatMap(({ part }) => part.runs),
    });
    return new Map(parts.map(({ place, part }) => [part.starts[0]?.runId as string, place.fair?.key ?? "-"]));
  }

  /** Ends the run that is in, and so on, until nobody is left: whose turn it was, in order. */
  async function turns(keys: ReadonlyMap<string, string>, count = keys.size): Promise<string> {
    let order = "";
    while (order.length < count) {
      const run = await only(arrive(1));
      order += keys.get(run.id);
      await write({ runs: [end(run)] });
    }
    return order;
  }

  describe("runs with fairness keys", () => {
    it("take turns, however many of one key came first; of a key the first by rank goes first", async () => {
      const first = await many(Array.from({ length: 6 }, () => fair("A")));
      const holder = await only(arrive());
      const late = await many([fair("B", { rank: 9 }), fair("B", { rank: 8 }), fair("C", { rank: 7 })]);
      await arrive();
      await write({ runs: [end(holder)] });
      const keys = new Map([...first, ...late]);
      const order: string[] = [];
      for (let n = 0; n < 8; n++) {
        const run = await only(arrive());
        order.push(run.id);
        await write({ runs: [end(run)] });
      }
      expect(order.map((id) => keys.get(id)).join("")).toBe("BCABAAAA");
      const [rankNine, rankEight] = [...late.keys()];
      expect(order[0]).toBe(rankEight);
      expect(order[3]).toBe(rankNine);
    });

    it("take as many turns as their weights say", async () => {
      const places = ["A", "B"].flatMap((key) =>
        Array.from({ length: 8 }, () => fair(key, { weight: key === "A" ? 3 : 1 })),
      );
      const order = await turns(await many(places), 8);
      expect(order.replaceAll("B", "")).toHaveLength(6);
    });

    it("take turns with those that have none, which have one together", async () => {
      const plain = await many(Array.from({ length: 4 }, () => line("a")));
      const holder = await only(arrive());
      const keyed = await many([fair("A"), fair("A"), fair("B")]);
      await arrive();
      await write({ runs: [end(holder)] });
      expect(await turns(new Map([...plain, ...keyed]), 6)).toBe("-AB-A-");
    });

    it("save up no turns while none of them waits", async () => {
      const first = await many(Array.from({ length: 9 }, () => fair("A")));
      expect(await turns(first, 5)).toBe("AAAAA");
      const late = await many(Array.from({ length: 4 }, () => fair("B")));
      expect((await turns(new Map([...first, ...late]), 6)).replaceAll("B", "").length).toBeLessThanOrEqual(4);
    });

    it("come back after a turn behind those that had none yet", async () => {
      const first = await many([fair("A"), fair("B"), fair("C")]);
      const holder = await only(arrive());
      expect(first.get(holder.id)).toBe("A");
      // One at a time is no way to the front.
      const again = await many([fair("A", { rank: -99 })]);
      await arrive();
      await write({ runs: [end(holder)] });
      expect(await turns(new Map([...first, ...again]), 3)).toBe("BCA");
    });

    it("get in line again when they are woken, on their key's next turn", async () => {
      const work = (key: string, rank = 0) => fair(key, { hold: "work", rank });
      const keys = await many([work("A"), work("A", 1), work("B", 2)]);
      const run = await only(arrive());
      await write({ runs: [yields(run, Math.floor(await store().now()))] });
      const second = await only(arrive());
      expect(keys.get(second.id)).toBe("B");
      await write({ runs: [end(second)] });
      expect((await only(arrive())).id).toBe(run.id);
    });

    it("are admitted past keys whose runs are blocked by something else, which have their turn once they can", async () => {
      await limited([line("b")]);
      const blocker = await only(arrive());
      const blocked = await many([fair("A")]).then((keys) => [...keys.keys()]);
      const holder = await only(arrive());
      expect(blocked).toEqual([holder.id]);
      const stuck: string[] = [];
      for (let i = 0; i <= LOOK_AHEAD_OF_KEY; i++) stuck.push(await limited([fair("B"), line("b")]));
      const free = await many([fair("C"), fair("C"), fair("C", { rank: 1 })]);
      await arrive();
      await write({ runs: [end(holder)] });
      expect(await turns(free, 2)).toBe("CC");
      await write({ runs: [end(blocker)] });
      const third = await only(arrive());
      await write({ runs: [end(third)] });
      expect((await only(arrive())).id).toBe(stuck[0]);
    });

    it(`are looked for among the first ${LOOK_AHEAD_OF_KEY} of a key`, async () => {
      await limited([line("b")]);
      await only(arrive());
      await limited([fair("A")]);
      const holder = await only(arrive());
      for (let i = 0; i < LOOK_AHEAD_OF_KEY; i++) await limited([fair("A"), line("b")]);
      await limited([fair("A", { rank: 1 })]);
      expect(await arrive()).toEqual([]);
      await write({ runs: [end(holder)] });
      expect(await arrive()).toEqual([]);
      const first = await limited([fair("A", { rank: -1 })]);
      expect((await only(arrive())).id).toBe(first);
    });

    it(`are looked for among the first ${LOOK_AHEAD} keys`, async () => {
      await limited([line("b")]);
      await only(arrive());
      await limited([fair("z")]);
      const holder = await only(arrive());
      const key = (n: number) => `k${String(n).padStart(3, "0")}`;
      for (let i = 0; i < LOOK_AHEAD - 1; i++) await limited([fair(key(i)), line("b")]);
      const last = await limited([fair(key(999))]);
      expect(await arrive()).toEqual([]);
      await write({ runs: [end(holder)] });
      expect((await only(arrive())).id).toBe(last);
    });

    it("that leave the line leave no turn behind, and one that waits no longer is not looked for", async () => {
      const keys = await many([fair("A"), fair("A"), fair("B")]);
      const holder = await only(arrive());
      const [, waiting, other] = [...keys.keys()] as [string, string, string];
      await write({ messages: [{ runId: waiting, kind: "terminate", token: `end ${waiting}`, data: "{}", at: 1 }] });
      const ending = await only(arrive());
      await write({ runs: [end(ending)] });
      expect(await inLine("a")).toEqual([`${holder.id} holds`, `${other} waits`]);
      await write({ runs: [end(holder)] });
      expect((await only(arrive())).id).toBe(other);
    });

    it("are shown with their keys, and those that wait for a key's turns alone", async () => {
      const keys = await many([fair("A", { weight: 4 }), fair("A"), fair("B"), line("a")]);
      await arrive();
      const [holder, a, b, plain] = [...keys.keys()] as [string, string, string, string];
      const all = await store().listPlaces({ line: "a", limit: 9 });
      expect(all.map(({ runId: id, fair: share }) => [id, share])).toEqual([
        [holder, { key: "A", cost: TURN_COST / 4 }],
        [a, { key: "A", cost: TURN_COST }],
        [b, { key: "B", cost: TURN_COST }],
        [plain, undefined],
      ]);
      const idsOn = async (fairKey: string | null) =>
        (await store().listPlaces({ line: "a", fairKey, limit: 9 })).map(({ runId: id }) => id);
      expect([await idsOn("A"), await idsOn("B"), await idsOn(null), await idsOn("C")]).toEqual([
        [a],
        [b],
        [plain],
        [],
      ]);
    });

    it("that always wait get turns by their weights, in each window of admissions", { timeout: 60_000 }, async () => {
      let lines = 0;
      const weights = fc.array(fc.constantFrom(1, 1, 2, 3, 7), { minLength: 2, maxLength: 5 });
      const property = fc.asyncProperty(weights, fc.boolean(), async (given, even) => {
        const name = `fair ${++lines} ${runId()}`;
        const chosen = even ? given.map(() => 1) : given;
        const rounds = 4 * chosen.reduce((sum, weight) => sum + weight, 0);
        const places = chosen.flatMap((weight, k) =>
          Array.from({ length: rounds }, (_, rank) => fair(`${k}`, { line: name, weight, rank })),
        );
        const order = await turns(await many(places), rounds);
        for (let from = 0; from < rounds; from++) {
          const counts = chosen.map(() => 0);
          for (const key of order.slice(from)) {
            counts[Number(key)] = (counts[Number(key)] as number) + 1;
            expectFair(counts, chosen);
          }
        }
        for (let left = await arrive(); left.length > 0; left = await arrive())
          await write({ runs: left.map((run) => end(run)) });
      });
      await fc.assert(property, { numRuns: 6, seed: 7 });
    });
  });

  it("a run under its fairness key keeps it with its limits", async () => {
    const id = runId();
    await write({
      ...startOf(id, []),
      starts: [start(id, { limits: { places: [fair("A")], lineAt: 0, ...NOTHING } })],
    });
    expect((await store().getRun(id))?.limits).toEqual([fair("A")]);
  });
}

/** In a window each two keys are, by their weights, no further apart than a turn of each. Alike, they differ by one. */
function expectFair(counts: readonly number[], weights: readonly number[]): void {
  for (const [i, a] of counts.entries())
    for (const [j, b] of counts.entries()) {
      const [costA, costB] = [1 / (weights[i] as number), 1 / (weights[j] as number)];
      expect(Math.abs(a * costA - b * costB)).toBeLessThanOrEqual(costA + costB + 1e-4);
      if (weights.every((weight) => weight === 1)) expect(Math.abs(a - b)).toBeLessThanOrEqual(1);
    }
}
