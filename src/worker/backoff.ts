import type { Clock, Random } from "../kernel/ports.ts";

/** The wait before a call of the store is repeated, milliseconds: doubled from `first` to `max`, with full jitter. */
const RETRY_MS = { first: 20, max: 2_000 } as const;

/** The waits between repeated calls of a store that does not answer. */
export class Backoff {
  readonly #ports: { readonly clock: Clock; readonly random: Random };
  #waitMs: number = RETRY_MS.first;

  constructor(ports: { readonly clock: Clock; readonly random: Random }) {
    this.#ports = ports;
  }

  async wait(): Promise<void> {
    const { clock, random } = this.#ports;
    const waitMs = this.#waitMs * random.float();
    this.#waitMs = Math.min(this.#waitMs * 2, RETRY_MS.max);
    await new Promise<void>((resolve) => clock.timer(waitMs, resolve));
  }
}
