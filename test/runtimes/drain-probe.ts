/** How many of 1,000 chained microtasks run before `drain` calls back: all of them, or replay goes wrong (rule R6). */
export async function microtasksBeforeDrain(drain: (fn: () => void) => void): Promise<number> {
  let ran = 0;
  const counted = new Promise<number>((resolve) => drain(() => resolve(ran)));
  const next = () => {
    ran++;
    if (ran < 1_000) queueMicrotask(next);
  };
  queueMicrotask(next);
  return await counted;
}

/** Drains so many times, one after the other. */
export async function drainTimes(drain: (fn: () => void) => void, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await new Promise<void>((resolve) => drain(resolve));
}
