/**
 * An order from payment to pick-up: price it, charge it, pack it, label every parcel, book the carrier once, and give the
 * money back if it cannot be sent.
 *
 * Shows: a Standard Webhooks hook, retries with time-out and deadline, the idempotency key that all attempts of a step
 * share, a scope that becomes one outcome, a step that runs at most once, and compensation by plain try and catch.
 *
 *     npm start                       # then post signed orders to /hooks/orders
 *     varve run order-fulfilment --input @order.json --wait
 *     echo '{"id":"o-1","payment":"tok_visa","country":"DE","lines":[{"sku":"kettle","quantity":2,"cents":3990,"grams":1400}]}' > order.json
 *
 * ORDERS_WEBHOOK_SECRET  the hook's "whsec_..." secret; without it a well-known one, and in production no order is taken
 * PAYMENTS_URL           the payment service; without it a sandbox: tok_declined is refused, tok_unreachable fails once
 */
import {
  type Ctx,
  OutcomeUnknownError,
  RetryableError,
  StepFailedError,
  standardWebhooks,
  TerminalError,
  ValidationError,
  webhook,
  workflow,
} from "varve";
import { z } from "zod";

const Line = z.object({
  sku: z.string().min(1),
  quantity: z.number().int().min(1).max(100),
  cents: z.number().int().min(0),
  grams: z.number().int().min(1),
});
const Order = z.object({
  id: z.string().regex(/^[\w-]{1,64}$/),
  payment: z.string().startsWith("tok_"),
  country: z.string().length(2).toUpperCase().default("DE"),
  lines: z.array(Line).min(1).max(50),
});
type Order = z.infer<typeof Order>;

/** Standard Webhooks wraps what happened. */
const OrderPlaced = z.object({ type: z.literal("order.placed"), data: Order });

export const orderFulfilment = workflow({ name: "order-fulfilment", input: Order }, async (ctx, order) => {
  const price = priceOf(order);
  const charge = await ctx
    .step("charge", (step) => chargeCard(order, price.totalCents, step), {
      retry: { attempts: 6, initial: "500ms", max: "1m" },
      timeout: "10s",
      deadline: "15m",
    })
    .catch(asDeclined);
  if (typeof charge === "string") return { id: order.id, status: "declined" as const, why: charge };

  try {
    const parcels = await ctx.scope("pack", (scope) => pack(scope, order));
    const pickup = await bookPickup(ctx, order, parcels.length);
    return { id: order.id, status: "sent" as const, ...price, charge: charge.reference, parcels, pickup };
  } catch (error) {
    const refund = await ctx.step("refund", (step) => refundCard(charge, step), { retry: { attempts: "unlimited" } });
    return { id: order.id, status: "refunded" as const, why: reasonOf(error), refund: refund.reference };
  }
});

export const ordersHook = webhook({
  name: "orders",
  scheme: standardWebhooks({ secrets: () => secret("ORDERS_WEBHOOK_SECRET", DEVELOPMENT_SECRET) }),
  workflow: orderFulfilment,
  input: (delivery) => {
    const placed = OrderPlaced.safeParse(delivery.json());
    if (placed.success) return placed.data.data;
    throw new ValidationError("BODY_INVALID", `expected a placed order, but found:\n${z.prettifyError(placed.error)}`);
  },
});

// ---- Price ----

const VAT_PERCENT: Readonly<Record<string, number>> = { AT: 20, DE: 19, ES: 21, FR: 20, IT: 22, NL: 21, PL: 23 };

/** Pure, so it needs no step: replay works it out again and comes to the same. */
function priceOf({ country, lines }: Order): { netCents: number; vatCents: number; totalCents: number } {
  const netCents = lines.reduce((sum, { cents, quantity }) => sum + cents * quantity, 0);
  const vatCents = Math.round((netCents * (VAT_PERCENT[country] ?? 0)) / 100);
  return { netCents, vatCents, totalCents: netCents + vatCents };
}

// ---- Payment ----

interface Attempt {
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
}

/** Whole cents, and what the payment is for. */
interface PaymentRequest {
  readonly cents: number;
  readonly [detail: string]: string | number;
}

interface Payment {
  readonly reference: string;
  readonly cents: number;
}

const declined = (message: string) => new TerminalError(message, { code: "CARD_DECLINED" });

function chargeCard({ id, payment }: Order, cents: number, step: Attempt): Promise<Payment> {
  return pay("charges", { order: id, payment, cents }, step, () => {
    if (payment === "tok_declined") throw declined("the bank declined the card");
    if (payment === "tok_unreachable" && step.attempt === 1) throw new RetryableError("the bank did not answer");
  });
}

function refundCard({ reference, cents }: Payment, step: Attempt): Promise<Payment> {
  return pay("refunds", { charge: reference, cents }, step, () => {});
}

/** Asks the payment service, or the sandbox. Repeated attempts carry one key, so that nobody pays twice. */
async function pay(what: string, request: PaymentRequest, step: Attempt, sandbox: () => void): Promise<Payment> {
  const url = process.env["PAYMENTS_URL"];
  if (url === undefined || url === "") {
    sandbox();
    return { reference: `${what}/${step.idempotencyKey}`, cents: request.cents };
  }
  const response = await fetch(`${url}/${what}`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": step.idempotencyKey },
    body: JSON.stringify(request),
    signal: step.signal,
  });
  if (response.status === 402) throw declined("the payment service declined the card");
  if (!response.ok) throw new Error(`the payment service answered ${response.status}`);
  return z.object({ reference: z.string(), cents: z.number() }).parse(await response.json());
}

/** A declined card is an answer; anything else that ends the step ends the run. */
function asDeclined(error: unknown): string {
  if (error instanceof StepFailedError && error.cause instanceof Error && "code" in error.cause) {
    if (error.cause.code === "CARD_DECLINED") return error.cause.message;
  }
  throw error;
}

// ---- Parcels ----

const PARCEL_GRAMS_MAX = 30_000;

interface Parcel {
  readonly label: string;
  readonly grams: number;
  readonly skus: readonly string[];
}

/** A scope: once it has completed, a restart reads its one result and none of its steps. */
async function pack(ctx: Ctx, order: Order): Promise<Parcel[]> {
  const boxes = await ctx.step("plan", () => boxesFor(order));
  return Promise.all(boxes.map((box, i) => ctx.step("label", () => ({ ...box, label: shippingCode(order.id, i) }))));
}

interface Box {
  readonly grams: number;
  readonly skus: readonly string[];
}

/** Fills boxes with the heaviest pieces first, each into the first box that still takes it. */
function boxesFor({ lines }: Order): Box[] {
  const pieces = lines.flatMap(({ sku, grams, quantity }) => Array.from({ length: quantity }, () => ({ sku, grams })));
  const boxes: { grams: number; skus: string[] }[] = [];
  for (const { sku, grams } of pieces.sort((a, b) => b.grams - a.grams)) {
    if (grams > PARCEL_GRAMS_MAX) throw new TerminalError(`${sku} weighs ${grams} g, more than a parcel may`);
    const box = boxes.find((open) => open.grams + grams <= PARCEL_GRAMS_MAX);
    if (box === undefined) {
      boxes.push({ grams, skus: [sku] });
    } else {
      box.grams += grams;
      box.skus.push(sku);
    }
  }
  return boxes;
}

/** A GS1 shipping container code: 17 digits from the order and the parcel, and the check digit of modulo 10. */
function shippingCode(orderId: string, parcel: number): string {
  let hash = 0;
  for (const char of orderId) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 1_000_000_007;
  const digits = `0401234${String(hash % 10 ** 8).padStart(8, "0")}${String(parcel).padStart(2, "0")}`;
  const sum = [...digits].reduce((total, digit, i) => total + Number(digit) * (i % 2 === 0 ? 3 : 1), 0);
  return `${digits}${(10 - (sum % 10)) % 10}`;
}

// ---- Pick-up ----

/**
 * Once: a second van is worse than a call to the carrier. If the process died in the body nobody knows whether the
 * carrier has heard of it, and the run says so instead of asking again.
 */
async function bookPickup(ctx: Ctx, order: Order, parcels: number): Promise<string> {
  try {
    return await ctx.step("book-pickup", (step) => `${order.country}-${parcels} ${step.idempotencyKey}`, {
      once: true,
    });
  } catch (error) {
    if (error instanceof OutcomeUnknownError) return "unknown: ask the carrier";
    throw error;
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof StepFailedError ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}

// ---- The secret ----

/** 24 bytes that everybody knows, for development. */
const DEVELOPMENT_SECRET = "whsec_dmFydmUtZGV2ZWxvcG1lbnQtb25seS0x";

function secret(name: string, development: string): string[] {
  const value = process.env[name];
  if (value !== undefined && value !== "") return [value];
  return process.env["NODE_ENV"] === "production" ? [] : [development];
}
