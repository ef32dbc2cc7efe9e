/** The value below which `share` of `values` lie: the nearest rank. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.ceil(share * sorted.length) - 1;
  return sorted[Math.max(0, rank)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The item for which `of` is the median. */
export function middle<T>(items: readonly T[], of: (item: T) => number): T {
  const value = median(items.map(of));
  return items.find((item) => of(item) === value) as T;
}
