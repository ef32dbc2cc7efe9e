/**
 * An invoice that is sent, and then booked by the bookkeeping, which an outgoing webhook tells of it. Here both are in one
 * place: the bookkeeping is a webhook of this very server, which takes the notice and starts a run of its own.
 *
 * Shows: an outgoing webhook in the form of Standard Webhooks, signed and sent until it is taken; a webhook that takes it, with
 * a filter over its body; and a limit: one invoice at a time for each customer.
 *
 *     varve serve workflows/invoice.ts
 *     varve run invoice -i id=i-1 -i customer=ada -i cents=4200 --wait
 *     varve webhooks outgoing list                     # the notice, and whether it was taken
 *     varve webhooks list --hook bookkeeping           # the delivery that it became, and what was decided
 *     varve runs list --workflow book-invoice
 *
 * BOOKKEEPING_URL     where notices go; without it this server's own hook, at 127.0.0.1:8787
 * BOOKKEEPING_SECRET  signs them, `whsec_...`; without it one for development, and in production the hook is not served
 */
import { cel, notify, standardWebhooks, type WebhookDelivery, webhook, workflow } from "varve";
import { z } from "zod";

const Invoice = z.object({
  id: z.string().regex(/^[\w-]{1,64}$/),
  customer: z.string().min(1).max(64),
  cents: z.coerce.number().int().min(1),
});

export const invoice = workflow(
  // Numbers are given out in order: a customer's invoices do not overtake each other.
  { name: "invoice", input: Invoice, concurrency: { key: ({ customer }) => customer, limit: 1 } },
  async (ctx, { id, customer, cents }) => {
    const { net, tax } = await ctx.step("compute", () => shareOf(cents));
    const number = `${ctx.now().getUTCFullYear()}-${id}`;
    await ctx.step("send", ({ log }) => log("info", "sent", { number, customer }));
    return { number, customer, net, tax };
  },
);

/** Of a gross amount, at 19 %. */
function shareOf(cents: number): { net: number; tax: number } {
  const net = Math.round(cents / 1.19);
  return { net, tax: cents - net };
}

const Entry = z.object({ number: z.string(), customer: z.string(), net: z.number().int(), tax: z.number().int() });

export const bookInvoice = workflow({ name: "book-invoice", input: Entry }, async (ctx, { number, net, tax }) =>
  ctx.step("book", () => `${number}: ${net} to revenue, ${tax} to tax`),
);

/** Each invoice that is done, with what came of it. */
export const bookkeeping = notify({
  name: "bookkeeping",
  url: process.env["BOOKKEEPING_URL"] || "http://127.0.0.1:8787/hooks/bookkeeping",
  secrets,
  events: ["run.completed"],
  workflow: "invoice",
  output: true,
  // An address of this machine, in the example.
  allowPrivate: true,
});

export const bookkeepingHook = webhook({
  name: "bookkeeping",
  scheme: standardWebhooks({ secrets }),
  filter: cel('body.type == "run.completed" && body.data.output.net > 0'),
  workflow: bookInvoice,
  input: (delivery) => outputOf(delivery),
});

function outputOf(delivery: WebhookDelivery): z.infer<typeof Entry> {
  return (delivery.json() as { readonly data: { readonly output: z.infer<typeof Entry> } }).data.output;
}

/** A well-known secret is for development only: in production a missing one makes the hook refuse to be served. */
function secrets(): string[] {
  const secret = process.env["BOOKKEEPING_SECRET"];
  if (secret !== undefined && secret !== "") return [secret];
  return process.env["NODE_ENV"] === "production" ? [] : [`whsec_${btoa("varve-development-only-secret")}`];
}
