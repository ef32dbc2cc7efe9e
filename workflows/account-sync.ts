/**
 * The new entries of a bank account, fetched and booked: the bank allows one session for each account, charges for its
 * rates, and is out of order now and then.
 *
 * Shows: a lock that one run holds at a time, wherever it runs; values that runs share (where the last one stopped, and how
 * much was booked); a result that runs share for an hour; and a breaker, with what to do while it is open.
 *
 *     varve run account-sync -i account=acc-1 --wait
 *     varve run account-sync -i account=acc-1 -i bank=https://bank.example/entries --wait
 */
import { type Ctx, workflow } from "varve";
import { z } from "zod";

const Entry = z.object({ number: z.number().int().min(1), currency: z.string().length(3), amount: z.number() });
type Entry = z.infer<typeof Entry>;

/** What a currency costs, in euros. */
const Rates = z.record(z.string(), z.number());

const data = (value: unknown) => `data:application/json,${encodeURIComponent(JSON.stringify(value))}`;

const Sync = z.object({
  account: z.string().regex(/^[\w-]{1,64}$/),
  /** Gives all entries of the account, the oldest first. */
  bank: z.url().default(
    data([
      { number: 1, currency: "EUR", amount: 120.5 },
      { number: 2, currency: "CHF", amount: 80 },
      { number: 3, currency: "EUR", amount: -20 },
    ]),
  ),
  rates: z.url().default(data({ EUR: 1, CHF: 1.05 })),
});
type Sync = z.infer<typeof Sync>;

/** All steps that speak to the bank share what they know of it. */
const BANK = { name: "bank", failures: 3, window: "5m", resetAfter: "1m" } as const;

export const accountSync = workflow({ name: "account-sync", input: Sync }, async (ctx, input) => {
  const rates = await ctx.step("rates", async ({ signal }) => Rates.parse(await getJson(input.rates, signal)), {
    cache: { key: input.rates.slice(0, 200), ttl: "1h" },
    timeout: "10s",
  });
  return await ctx.lock(`account ${input.account}`, { timeout: "30m" }, (session) => sync(session, input, rates));
});

/** One session with the bank: nobody else has one for this account meanwhile. */
async function sync(ctx: Ctx, { account, bank }: Sync, rates: z.infer<typeof Rates>) {
  const cursors = ctx.kv("workflow", { schema: z.number() });
  const cursor = (await cursors.get(`cursor/${account}`)) ?? 0;
  const entries = await fetchEntries(ctx, bank);
  if (entries === null) return { account, status: "bank is out of order" as const, booked: 0, cursor, euros: 0 };
  const fresh = entries.filter(({ number }) => number > cursor);
  const euros = await ctx.step("book", ({ log }) => {
    log("info", "booked", { account, entries: fresh.length });
    return round(fresh.reduce((sum, { currency, amount }) => sum + amount * (rates[currency] ?? 0), 0));
  });
  const last = fresh.at(-1)?.number ?? cursor;
  await cursors.set(`cursor/${account}`, last);
  await ctx.kv("global", { schema: z.number() }).update("entries-booked", (count = 0) => count + fresh.length);
  return { account, status: "booked" as const, booked: fresh.length, cursor: last, euros };
}

/** Null: the bank is out of order, and the next run may try. */
async function fetchEntries(ctx: Ctx, bank: string): Promise<Entry[] | null> {
  return await ctx.step<Entry[] | null>(
    "fetch",
    async ({ signal }) => z.array(Entry).parse(await getJson(bank, signal)),
    { breaker: BANK, retry: { attempts: 2, initial: "2s" }, timeout: "10s", fallback: null },
  );
}

async function getJson(url: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${new URL(url).protocol} answered ${response.status}`);
  return await response.json();
}

function round(amount: number): number {
  return Math.round(amount * 100) / 100;
}
