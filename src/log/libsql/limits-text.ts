/** The places that a run's limits ask for, as its row holds them: short, because the row is written anew with each of its steps. */
import { customType } from "drizzle-orm/sqlite-core";
import type { PlaceHold, PlaceLimit } from "../../kernel/place-limit.ts";

type Cells = readonly [line: string, slots: number, rank: number, hold: PlaceHold, fairKey?: string, fairCost?: number];

/** `[[line, slots, rank, hold, fair key, fair cost], ...]`; without the last two: it has no fairness key. */
export function limitsText(places: readonly PlaceLimit[]): string {
  return JSON.stringify(places.map(cellsOf));
}

function cellsOf({ line, slots, rank, hold, fair }: PlaceLimit): Cells {
  return fair === undefined ? [line, slots, rank, hold] : [line, slots, rank, hold, fair.key, fair.cost];
}

function limitsOf(text: string): PlaceLimit[] {
  return (JSON.parse(text) as readonly Cells[]).map(([line, slots, rank, hold, key, cost]) => {
    const place = { line, slots, rank, hold };
    return key === undefined || cost === undefined ? place : { ...place, fair: { key, cost } };
  });
}

/** A column of them. */
export const placeLimits = customType<{ data: readonly PlaceLimit[]; driverData: string }>({
  dataType: () => "text",
  fromDriver: limitsOf,
  toDriver: limitsText,
});
