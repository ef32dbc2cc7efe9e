/** The shop of `docs/TESTING.md`: an order that is charged and shipped, right and wrong, and the world that it lives in. */
import { withEnv } from "varve";
import type { SimulatedWorld } from "varve/testing";

export interface Shop {
  charge(orderId: string, cents: number, idempotencyKey?: string): Promise<string>;
  ship(orderId: string): Promise<string>;
}

const { workflow } = withEnv<Shop>();

export interface Order {
  readonly id: string;
  readonly cents: number;
}

/** The payment service is not told which attempts belong together. */
export const careless = workflow({ name: "fulfil" }, async (ctx, order: Order) => {
  const payment = await ctx.step("charge", ({ env }) => env.charge(order.id, order.cents));
  await ctx.sleep("cool-off", "2d");
  const parcel = await ctx.step("ship", ({ env }) => env.ship(order.id));
  return { payment, parcel };
});

export const careful = workflow({ name: "fulfil" }, async (ctx, order: Order) => {
  const payment = await ctx.step("charge", ({ env, idempotencyKey }) =>
    env.charge(order.id, order.cents, idempotencyKey),
  );
  await ctx.sleep("cool-off", "2d");
  const parcel = await ctx.step("ship", ({ env }) => env.ship(order.id));
  return { payment, parcel };
});

/** A payment service that knows idempotency keys, and a network. Shipping the same order again changes nothing. */
export function fakeShop(sim: SimulatedWorld): Shop & { readonly charges: ReadonlyMap<string, number> } {
  const charges = new Map<string, number>();
  const network = () => sim.wait(20 + sim.random() * 80);
  return {
    charges,
    charge: async (_orderId, cents, idempotencyKey = `charge ${charges.size + 1}`) => {
      await network();
      charges.set(idempotencyKey, cents);
      await network();
      return idempotencyKey;
    },
    ship: async (orderId) => {
      await network();
      return `parcel of ${orderId}`;
    },
  };
}
