/**
 * A print shop for many customers: what is worked on at once, in which order, and how often.
 *
 * Shows: a queue that customers share turn about, the larger ones by weight; no more than two of a customer's orders at a
 * time; express orders before others of the same customer; a nightly count of which there is one at a time; and printers,
 * a queue of steps, which can be stopped while everything else goes on.
 *
 *     varve serve workflows/print-shop.ts
 *     varve run print-order -i customer=acme -i pages=12 -i express=true
 *     varve queues list
 *     varve queues pause printers
 *     varve runs why <run>
 *     varve queues resume printers
 */
import { cel, workflow } from "varve";
import { z } from "zod";

const Order = z.object({
  customer: z.string().min(1),
  pages: z.int().min(1).max(5_000),
  express: z.boolean().default(false),
  /** Of the customer's contract. */
  plan: z.enum(["small", "large"]).default("small"),
});

/** The shop's own: modules that `varve serve` loads may export `queues`, and `createEngine` takes them as an option. */
export const queues = { orders: { concurrency: 4 }, printers: { concurrency: 2 } };

/** Somebody's thousand orders do not hold up another's first: customers take turns. */
export const printOrder = workflow(
  {
    name: "print-order",
    input: Order,
    queue: "orders",
    fairness: { key: cel("input.customer"), weight: cel('input.plan == "large" ? 3 : 1') },
    concurrency: { key: cel("input.customer"), limit: 2 },
    rateLimit: { key: cel("input.customer"), limit: 100, period: "1m" },
    priority: ({ express }) => (express ? 10 : 0),
  },
  async (ctx, { customer, pages, express }) => {
    const proof = await ctx.step("proof", () => `${pages} pages for ${customer}`);
    // A large order takes a printer for long: small ones go first, but not for ever.
    const printed = await ctx.step("print", () => Math.ceil(pages / 2), {
      queue: { name: "printers", priority: pages > 500 ? -5 : 0 },
      timeout: "10m",
    });
    return { customer, proof, sheets: printed, express };
  },
);

/** Paper is counted by one run at a time: a start while one counts is that one. */
export const countPaper = workflow(
  { name: "count-paper", singleton: { mode: "skip" }, throttle: { limit: 1, period: "1h", burst: 2 } },
  async (ctx) => ctx.step("count", () => ({ reams: 40 })),
);
