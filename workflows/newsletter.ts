/**
 * An issue of a newsletter: sent to every reader, so many at a time, and to no further one once too many mails have come
 * back, because providers block who goes on then.
 *
 * Shows: ctx.map with a bound on what is under way and on what may fail, items that sleep, and what becomes of a map that
 * fails. After a restart nobody who has the issue is asked about again, however long the list is.
 *
 *     varve run newsletter --wait
 *     varve run newsletter --input '{"readers":[{"name":"Ada","address":"ada@example.com"}],"settle":"10m"}'
 *
 * MAIL_URL  takes mails by POST, and answers where each has got to; without it those to `.invalid` come back, as they would
 */
import { type Ctx, isVarveError, TerminalError, workflow } from "varve";
import { z } from "zod";

const Reader = z.object({ name: z.string().min(1), address: z.email() });
type Reader = z.infer<typeof Reader>;

const SAMPLES: Reader[] = [
  { name: "Ada", address: "ada@example.com" },
  { name: "Barbara", address: "barbara@example.com" },
  { name: "Grace", address: "grace@nowhere.invalid" },
  { name: "Katherine", address: "katherine@example.com" },
  { name: "Radia", address: "radia@example.com" },
];

const Issue = z
  .object({
    subject: z.string().min(1).default("What is new"),
    /** `{name}` stands for the reader's name. */
    text: z.string().min(1).default("Dear {name}, not much."),
    readers: z.array(Reader).min(1).max(10_000).default(SAMPLES),
    /** So many readers are served at a time. */
    atATime: z.int().min(1).max(100).default(20),
    /** A mail that is not back after so long has arrived. */
    settle: z.string().default("2s"),
    /** How many mails may come back. */
    bouncesMax: z.union([z.int().min(0), z.templateLiteral([z.int().min(0).max(100), "%"])]).default("20%"),
  })
  .prefault({});
type Issue = z.infer<typeof Issue>;

export const newsletter = workflow({ name: "newsletter", input: Issue }, async (ctx, issue) => {
  const { readers, atATime, bouncesMax } = issue;
  try {
    const sent = await ctx.map("send", readers, (reader, item) => send(item, reader, issue), {
      concurrency: atATime,
      tolerate: bouncesMax,
    });
    const bounced = readers.filter((_, i) => sent[i]?.status === "failed").map(({ address }) => address);
    return { status: "sent", sent: readers.length - bounced.length, bounced };
  } catch (error) {
    if (!isVarveError(error, "MAP_FAILED")) throw error;
    ctx.log("warn", "too many mails come back", error.facts);
    return { status: "stopped", why: error.message, failed: error.facts["failed"], notBegun: error.facts["notBegun"] };
  }
});

/** One reader, in a scope of their own: the mail's id. */
async function send(ctx: Ctx, { name, address }: Reader, { subject, text, settle }: Issue): Promise<string> {
  const mail = { to: address, subject, text: text.replaceAll("{name}", name) };
  const id = await ctx.step("hand over", ({ signal, idempotencyKey }) => handOver(mail, idempotencyKey, signal), {
    retry: { attempts: 8, initial: "1s" },
    timeout: "10s",
  });
  await ctx.sleep("settle", settle);
  const state = await ctx.step("look", ({ signal }) => look(id, signal), { timeout: "10s" });
  if (state === "bounced") throw new TerminalError(`the mail to ${address} came back`);
  return id;
}

interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

const Accepted = z.object({ id: z.string() });
const Looked = z.object({ state: z.enum(["delivered", "bounced"]) });

/** The same mail under the same key is sent once, however often it is handed over. */
async function handOver(mail: Mail, key: string, signal: AbortSignal): Promise<string> {
  const url = process.env["MAIL_URL"];
  if (url === undefined || url === "") return mail.to;
  const response = await fetch(`${url}/mails`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(mail),
    signal,
  });
  if (!response.ok) throw new Error(`the mail server answered ${response.status}`);
  return Accepted.parse(await response.json()).id;
}

async function look(id: string, signal: AbortSignal): Promise<"delivered" | "bounced"> {
  const url = process.env["MAIL_URL"];
  if (url === undefined || url === "") return id.endsWith(".invalid") ? "bounced" : "delivered";
  const response = await fetch(`${url}/mails/${encodeURIComponent(id)}`, { signal });
  if (!response.ok) throw new Error(`the mail server answered ${response.status}`);
  return Looked.parse(await response.json()).state;
}
