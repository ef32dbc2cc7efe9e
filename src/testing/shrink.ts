/** Makes a failing case small: fewer workers, and no fault without which it fails all the same. */

/** A case by what can be taken away from it. */
export interface ShrinkChoice {
  readonly workers: number;
  /** Ids of the only faults that happen; null: all that the seed draws. */
  readonly only: readonly string[] | null;
}

/** What a case came to. `happened`: ids of the faults. */
export interface Tried<R> {
  readonly report: R;
  readonly fails: boolean;
  readonly happened: readonly string[];
}

export interface Shrunk<R> {
  readonly report: R;
  /** Whether nothing more can be taken away; false: the search was given up after {@link TRIES_MAX} tries. */
  readonly isMinimal: boolean;
  readonly tries: number;
}

/** The most cases that are tried. */
const TRIES_MAX = 300;

/**
 * The smallest case that still fails. `attempt` lives a case, and says whether it fails for the same reason.
 *
 * @param first a case that fails
 */
export async function shrink<R>(
  first: Tried<R> & { readonly workers: number },
  attempt: (choice: ShrinkChoice) => Promise<Tried<R>>,
): Promise<Shrunk<R>> {
  let best: Tried<R> = first;
  let workers = first.workers;
  let tries = 0;
  const take = async (choice: ShrinkChoice): Promise<boolean> => {
    if (tries >= TRIES_MAX) return false;
    tries++;
    const tried = await attempt(choice);
    if (!tried.fails) return false;
    best = tried;
    workers = choice.workers;
    return true;
  };
  /** Fewer workers, with those faults or with whatever the seed draws for fewer. */
  const fewerWorkers = async (): Promise<boolean> => {
    for (let fewer = 1; fewer < workers; fewer++) {
      if (await take({ workers: fewer, only: best.happened })) return true;
      if (await take({ workers: fewer, only: null })) return true;
    }
    return false;
  };

  await fewerWorkers();
  do {
    await fewerFaults(
      () => best.happened,
      (only) => take({ workers, only }),
    );
  } while (await fewerWorkers());
  return { report: best.report, isMinimal: tries < TRIES_MAX, tries };
}

/**
 * Delta debugging (Zeller): takes away ever smaller parts, until no single one can be taken away. Faults that happen only
 * because others do are gone with them.
 */
async function fewerFaults(
  happened: () => readonly string[],
  take: (only: readonly string[]) => Promise<boolean>,
): Promise<void> {
  if (happened().length === 0 || (await take([]))) return;
  let parts = 2;
  while (happened().length > 1) {
    const all = happened();
    const size = Math.ceil(all.length / parts);
    let isSmaller = false;
    for (let from = 0; from < all.length && !isSmaller; from += size) {
      isSmaller = await take([...all.slice(0, from), ...all.slice(from + size)]);
    }
    if (isSmaller) parts = Math.max(parts - 1, 2);
    else if (size === 1) return;
    else parts = Math.min(parts * 2, all.length);
  }
}
