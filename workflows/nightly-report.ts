/**
 * A report over several sources of figures: reads all of them at once, each from the first of its mirrors that answers,
 * goes on without those that fail or are late, and publishes at a given instant.
 *
 * Shows: a schedule; Promise.all, race, any and allSettled over durable calls, sleepUntil, and now, random and uuid, which come out the
 * same after every restart.
 *
 *     varve run nightly-report --wait
 *     varve schedules show nightly-report
 *     varve run nightly-report -i publishAt=2027-01-01T06:00:00Z
 *     varve run nightly-report --input '{"sources":[{"name":"eu","mirrors":["https://example.com/eu.csv"]}]}'
 */
import { type Ctx, schedule, TerminalError, workflow } from "varve";
import { z } from "zod";

const Source = z.object({ name: z.string().min(1), mirrors: z.array(z.url()).min(1).max(5) });

/** Each line an id and an amount. In `data:` addresses, so that the example needs no network. */
const csv = (...lines: string[]) => `data:text/csv,${encodeURIComponent(["order,amount", ...lines].join("\n"))}`;
const SAMPLES: z.infer<typeof Source>[] = [
  { name: "europe", mirrors: [csv("e-1,120.50", "e-2,80.00", "e-3,19.90")] },
  // The first mirror is down: nothing listens there.
  { name: "america", mirrors: ["http://127.0.0.1:9/america.csv", csv("a-1,310.00", "a-2,45.25")] },
  { name: "asia", mirrors: [csv("x-1,99.00", "x-2,not a number")] },
];

const Input = z
  .object({
    sources: z.array(Source).min(1).max(100).default(SAMPLES),
    /** Nobody waits longer for a source. */
    patience: z.string().default("30s"),
    publishAt: z.iso.datetime({ offset: true }).optional(),
  })
  .prefault({});

interface Section {
  readonly source: string;
  readonly rows: number;
  readonly total: number;
  readonly largest: string;
}

export const nightlyReport = workflow({ name: "nightly-report", input: Input }, async (ctx, input) => {
  const report = { id: ctx.uuid(), begunAt: ctx.now() };
  const sections: Section[] = [];
  const missing = new Map(input.sources.map(({ name }) => [name, `not there within ${input.patience}`]));

  const reading = input.sources.map(async ({ name, mirrors }) => {
    try {
      sections.push(summary(name, await readAny(ctx, name, mirrors)));
      missing.delete(name);
    } catch (error) {
      missing.set(name, reasonOf(error));
    }
  });
  const first = await Promise.race([
    Promise.all(reading).then(() => "everything"),
    ctx.sleep("patience", input.patience).then(() => "patience"),
  ]);
  ctx.log("info", "sources are read", { first, sections: sections.length, missing: missing.size });
  if (sections.length === 0) throw new TerminalError(`no source could be read: ${[...missing.values()].join("; ")}`);

  sections.sort((a, b) => a.source.localeCompare(b.source));
  // One section is checked by hand each night. The choice is random, and the same after every restart.
  const audited = sections[Math.floor(ctx.random() * sections.length)] as Section;
  const [page, audit] = await Promise.allSettled([
    ctx.step("render", () => render(sections, missing)),
    ctx.step("audit", () => auditOf(audited)),
  ]);
  if (page.status === "rejected") throw page.reason;

  await ctx.sleepUntil("publish", input.publishAt ?? new Date(ctx.now().getTime() + 2_000));
  return {
    ...report,
    publishedAt: ctx.now(),
    page: page.value,
    total: cents(sections.reduce((sum, { total }) => sum + total, 0)),
    missing: Object.fromEntries(missing),
    audit: audit.status === "fulfilled" ? audit.value : `failed: ${reasonOf(audit.reason)}`,
  };
});

/** Asks all mirrors at once; the first that answers counts. */
async function readAny(ctx: Ctx, name: string, mirrors: readonly string[]): Promise<Row[]> {
  return Promise.any(
    mirrors.map((url, i) =>
      ctx.step(`read ${name} ${i + 1}`, ({ signal }) => readCsv(url, signal), {
        retry: { attempts: 2, initial: "250ms" },
        timeout: "10s",
      }),
    ),
  );
}

interface Row {
  readonly order: string;
  readonly amount: number;
}

async function readCsv(url: string, signal: AbortSignal): Promise<Row[]> {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const [, ...lines] = (await response.text()).trim().split(/\r?\n/);
  return lines.map((line, i) => {
    const [order = "", amount = ""] = line.split(",");
    const value = Number(amount);
    // A file with a bad line is bad at the next attempt too.
    if (amount === "" || !Number.isFinite(value)) throw new TerminalError(`line ${i + 2}: ${amount} is no amount`);
    return { order, amount: value };
  });
}

const cents = (amount: number) => Math.round(amount * 100) / 100;

function summary(source: string, rows: readonly Row[]): Section {
  const largest = rows.reduce<Row | null>(
    (most, row) => (most === null || row.amount > most.amount ? row : most),
    null,
  );
  const total = cents(rows.reduce((sum, { amount }) => sum + amount, 0));
  return { source, rows: rows.length, total, largest: largest?.order ?? "none" };
}

function render(sections: readonly Section[], missing: ReadonlyMap<string, string>): string {
  const lines = sections.map(({ source, rows, total, largest }) => `| ${source} | ${rows} | ${total} | ${largest} |`);
  const notes = [...missing].map(([source, why]) => `${source} is missing: ${why}`);
  return ["| source | rows | total | largest |", "|---|---|---|---|", ...lines, ...notes].join("\n");
}

function auditOf({ source, rows, total }: Section): string {
  if (rows === 0) throw new TerminalError(`${source} has no rows to check`);
  return `check ${source}: ${cents(total / rows)} an order`;
}

/** Why a source is missing: what its last mirror said. */
function reasonOf(error: unknown): string {
  const last = error instanceof AggregateError ? error.errors.at(-1) : error;
  if (!(last instanceof Error)) return String(last);
  return last.cause instanceof Error ? last.cause.message : last.message;
}

/**
 * At three in the morning in Berlin, also in the nights in which clocks change. A night that the server slept through is
 * made up for in the first six hours after it is back; a report that takes longer than a day makes the next one wait.
 */
export const everyNight = schedule({
  id: "nightly-report",
  workflow: nightlyReport,
  cron: "0 3 * * *",
  timezone: "Europe/Berlin",
  overlap: "queue-one",
  catchUp: { policy: "last", window: "6h" },
});
