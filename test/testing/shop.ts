/** The shop of `docs/TESTING.md`, which shows parts of this file: an order, wrong and right, and the world it lives in. */
import { withEnv } from "varve";
import type { SimulatedRun, SimulatedWorld } from "varve/testing";
import { expect } from "vitest";

interface Shop {
  charge(cents: number, idempotencyKey?: string): Promise<string>;
  ship(orderId: string): Promise<string>;
}

const { workflow } = withEnv<Shop>();

export const fulfil = workflow({ name: "fulfil" }, async (ctx, order: { id: string; cents: number }) => {
  const payment = await ctx.step("charge", ({ env }) => env.charge(order.cents));
  await ctx.sleep("cool-off", "2d");
  const parcel = await ctx.step("ship", ({ env }) => env.ship(order.id));
  return { payment, parcel };
});

export const fulfilOnce = workflow({ name: "fulfil" }, async (ctx, order: { id: string; cents: number }) => {
  const payment = await ctx.step("charge", ({ env, idempotencyKey }) => env.charge(order.cents, idempotencyKey));
  await ctx.sleep("cool-off", "2d");
  const parcel = await ctx.step("ship", ({ env }) => env.ship(order.id));
  return { payment, parcel };
});

export function fakeShop(sim: SimulatedWorld) {
  const charges = new Map<string, number>();
  const network = () => sim.wait(20 + sim.random() * 80);
  return {
    charges,
    async charge(cents: number, idempotencyKey = `no key ${charges.size}`) {
      await network(); // the request
      charges.set(idempotencyKey, cents); // the effect
      await network(); // the answer
      return idempotencyKey;
    },
    async ship(orderId: string) {
      await network();
      return `parcel of ${orderId}`;
    },
  };
}

export function setup(sim: SimulatedWorld) {
  const shop = fakeShop(sim);
  return {
    input: { id: "o-1", cents: 4200 },
    env: shop,
    check: ({ status }: SimulatedRun) => {
      expect(status).toBe("completed");
      expect([...shop.charges.values()]).toEqual([4200]);
    },
  };
}
