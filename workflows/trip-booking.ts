/**
 * A trip of which every part is booked elsewhere: what was booked is given back when a later part cannot be had, and the
 * traveller hears of it either way.
 *
 * Shows: compensations, which run the last first; a fallback; a child run that is waited for and one that goes its own way; a
 * clean-up that a cancel does not reach.
 *
 *     varve run trip-booking -i id=t-1 -i to=LIS --wait
 *     varve run trip-booking -i id=t-2 -i to=LIS -i seats=900 --wait     # the coach is too small: everything is given back
 */
import { type Ctx, declareWorkflow, TerminalError, workflow } from "varve";
import { z } from "zod";

const Trip = z.object({
  id: z.string().regex(/^[\w-]{1,64}$/),
  to: z.string().length(3).toUpperCase(),
  seats: z.coerce.number().int().min(1).max(1_000).default(2),
});
type Trip = z.infer<typeof Trip>;

const Booking = z.object({ part: z.string(), reference: z.string() });
type Booking = z.infer<typeof Booking>;

const Outcome = z.object({
  id: z.string(),
  status: z.enum(["booked", "called-off"]),
  bookings: z.array(Booking),
  weather: z.string(),
  why: z.string(),
});

/** What other services import: enough to book a trip and to know what it comes to. */
export const bookTrip = declareWorkflow({ name: "trip-booking", input: Trip, output: Outcome });

const Ground = z.object({ trip: z.string(), seats: z.number() });

/** Its own run, so that whoever drives can look at it alone. */
export const groundTransport = workflow({ name: "ground-transport", input: Ground }, async (ctx, { trip, seats }) =>
  ctx.step("coach", ({ idempotencyKey }) => reserve("coach", trip, seats, idempotencyKey)),
);

const Notice = z.object({ trip: z.string(), text: z.string() });

/** Told in its own time: the trip does not wait for the post. */
export const notifyTraveller = workflow({ name: "notify-traveller", input: Notice }, async (ctx, { trip, text }) => {
  await ctx.sleep("batch", "1s");
  await ctx.step("send", ({ log }) => log("info", text, { trip }));
});

export const tripBooking = bookTrip.implement(async (ctx, trip) => {
  const weather = await ctx.step("weather", () => forecast(trip.to), {
    retry: { attempts: 2, initial: "100ms", max: "100ms" },
    fallback: "unknown",
  });
  try {
    const flight = await book(ctx, "flight", trip);
    const hotel = await ctx.scope("stay", (scope) => book(scope, "hotel", trip));
    const coach = await ctx.child(groundTransport, { trip: trip.id, seats: trip.seats });
    await ctx.start(notifyTraveller, { trip: trip.id, text: `you go to ${trip.to}` });
    return { id: trip.id, status: "booked", bookings: [flight, hotel, coach], weather, why: "" };
  } catch (error) {
    // Here and not by failing: the caller is to be told what became of the trip.
    await ctx.shield("call-off", async (shielded) => shielded.step("note", () => `${trip.id} is called off`));
    await ctx.compensate();
    await ctx.start(notifyTraveller, { trip: trip.id, text: "your trip is called off" });
    return { id: trip.id, status: "called-off", bookings: [], weather, why: rootOf(error) };
  }
});

/** A part of the trip that can be given back. */
async function book(ctx: Ctx, part: string, trip: Trip): Promise<Booking> {
  return ctx.step(part, ({ idempotencyKey }) => reserve(part, trip.id, trip.seats, idempotencyKey), {
    compensate: ({ reference }, { log }) => log("info", "given back", { part, reference }),
  });
}

const SEATS: Readonly<Record<string, number>> = { flight: 1_000, hotel: 1_000, coach: 55 };

/** As a booking service would: the same key gives the same reference. */
function reserve(part: string, trip: string, seats: number, idempotencyKey: string): Booking {
  const free = SEATS[part] ?? 0;
  if (seats > free) throw new TerminalError(`the ${part} has ${free} seats, and ${seats} are asked for`);
  return { part, reference: `${part}-${trip}-${idempotencyKey.length}` };
}

/** There is no service behind it: what is not vital may be missing. */
function forecast(to: string): string {
  throw new Error(`no forecast for ${to}`);
}

function rootOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? rootOf(cause) : message;
}
