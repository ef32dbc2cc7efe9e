/**
 * A parcel that is tracked from the order to the door: messages start it, move it on, and end it.
 *
 * Shows: a workflow that a message starts; a wait for a message about its own parcel; messages that cancel it; a report of
 * all that was delivered, batched; and a reminder that is put off while the customer is still busy.
 *
 *     varve serve workflows/parcel-tracking.ts
 *     varve publish orders.paid '{"order":"o-1","total":120}' --id paid-1
 *     varve publish parcels.delivered '{"order":"o-1","at":"door"}'
 *     varve messages show orders.paid paid-1
 */
import { cel, type Message, workflow } from "varve";
import { z } from "zod";

const Order = z.object({
  order: z.string().min(1),
  total: z.number(),
  /** After so long a parcel is lost. */
  patience: z.string().default("14d"),
});

const OF_THIS_ORDER = cel("message.payload.order == run.input.order");

export const trackParcel = workflow(
  {
    name: "track-parcel",
    input: Order,
    // Small orders go as letters, which nobody tracks.
    on: [{ topic: "orders.paid", match: cel("message.payload.total >= 50") }],
    cancelOn: [{ topic: "orders.cancelled", match: OF_THIS_ORDER }],
  },
  async (ctx, { order, patience }) => {
    const label = await ctx.step("label", () => `label of ${order}`);
    const delivered = await ctx.waitForMessage<{ at: string }>("parcels.delivered", {
      match: OF_THIS_ORDER,
      // The carrier may be faster than our label.
      since: ctx.now().getTime() - 3_600_000,
      timeout: patience,
    });
    if (delivered === null) return { order, label, status: "lost" as const };
    return { order, label, status: "delivered" as const, at: delivered.payload.at };
  },
);

/** Deliveries, up to a hundred at a time or of ten minutes, in one report. */
export const reportDeliveries = workflow(
  {
    name: "report-deliveries",
    on: [
      {
        run: trackParcel,
        match: cel("message.payload.output.status == 'delivered'"),
        input: ({ payload }) => (payload.output as { order: string }).order,
        batch: { size: 100, timeout: "10m" },
      },
    ],
  },
  async (ctx, orders: readonly string[]) =>
    ctx.step("report", () => `${orders.length} delivered: ${orders.join(", ")}`),
);

/** A cart that was left: a reminder half an hour after its last change, or four hours after its first. */
export const remindOfCart = workflow(
  {
    name: "remind-of-cart",
    on: [
      {
        topic: "carts.changed",
        debounce: { key: cel("message.payload.customer"), period: "30m", max: "4h" },
        input: (message: Message<{ customer: string; items: number }>) => message.payload,
      },
    ],
  },
  async (ctx, { customer, items }: { customer: string; items: number }) => {
    if (items === 0) return "nothing to remind of";
    return await ctx.step("remind", () => `${customer} has ${items} items in the cart`);
  },
);
