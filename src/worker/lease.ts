/**
 * A worker's lease: the heartbeat that renews it, and what may be done under it.
 *
 * I1 It is believed to be alive no longer than `leaseMs - margin` after the last renewal was *sent*, on a clock that
 *    only goes forward; however late the answer is read.
 * I2 A renewal that is refused, or that does not come in time, ends it here; it is never renewed again.
 */
import type { Ports } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import type { Heartbeat } from "../log/port-workers.ts";

export interface LeaseHost {
  /** The lease was renewed. `mail`: owned runs that have inbox rows. */
  renewed(mail: readonly string[]): void;
  /** The lease has ended. */
  lost(): void;
  /** The heartbeat came so much later than it was due: synchronous code held the thread. */
  delayed(byMs: number): void;
}

/** A heartbeat comes so many times within a lease. */
const HEARTBEATS_PER_LEASE = 3;

/** The part of a lease that is given up as a margin, for the difference of two clocks. */
const MARGIN = 0.1;

export class Lease {
  readonly #store: LogStore;
  readonly #ports: Ports;
  readonly #worker: string;
  readonly #leaseMs: number;
  readonly #host: LeaseHost;
  #aliveUntil: number;
  #ended = false;
  #cancelBeat: (() => void) | null = null;
  #cancelExpiry: (() => void) | null = null;

  /** @param sentAt the monotonic instant at which the worker's registration was sent */
  constructor(
    store: LogStore,
    ports: Ports,
    lease: { worker: string; leaseMs: number; sentAt: number },
    host: LeaseHost,
  ) {
    this.#store = store;
    this.#ports = ports;
    this.#worker = lease.worker;
    this.#leaseMs = lease.leaseMs;
    this.#host = host;
    this.#aliveUntil = 0;
    this.#believe(lease.sentAt);
    this.#scheduleBeat(this.#leaseMs / HEARTBEATS_PER_LEASE);
  }

  /** Whether an effect may happen under it. */
  get isAlive(): boolean {
    return !this.#ended && this.#ports.clock.monotonic() < this.#aliveUntil;
  }

  /** Ends the heartbeat. The lease itself is the store's to end. */
  end(): void {
    this.#ended = true;
    this.#cancelBeat?.();
    this.#cancelExpiry?.();
  }

  #believe(sentAt: number): void {
    const { clock } = this.#ports;
    this.#aliveUntil = sentAt + this.#leaseMs * (1 - MARGIN);
    this.#cancelExpiry?.();
    this.#cancelExpiry = clock.timer(this.#aliveUntil - clock.monotonic(), () => this.#expire());
  }

  #expire(): void {
    if (this.#ended || this.isAlive) return;
    this.end();
    this.#host.lost();
  }

  #scheduleBeat(ms: number): void {
    const { clock } = this.#ports;
    const dueAt = clock.monotonic() + ms;
    this.#cancelBeat = clock.timer(ms, () => {
      const lateMs = clock.monotonic() - dueAt;
      if (lateMs > this.#leaseMs / 2) this.#host.delayed(lateMs);
      void this.#beat();
    });
  }

  async #beat(): Promise<void> {
    const sentAt = this.#ports.clock.monotonic();
    const answer = await this.#ask();
    if (this.#ended) return;
    if (answer === null) {
      this.#scheduleBeat(this.#leaseMs / HEARTBEATS_PER_LEASE / 4);
      return;
    }
    if (answer.alive) this.#believe(sentAt);
    // An answer that comes late says what was: after a pause it may be read before the expiry timer fires.
    if (!answer.alive || !this.isAlive) {
      this.end();
      this.#host.lost();
    } else {
      this.#scheduleBeat(this.#leaseMs / HEARTBEATS_PER_LEASE);
      this.#host.renewed(answer.mail);
    }
  }

  /** Null: the store gave no answer, and the lease may still be good. */
  async #ask(): Promise<Heartbeat | null> {
    try {
      return await this.#store.heartbeat(this.#worker, this.#leaseMs);
    } catch {
      // The writer reports the store's state; the expiry timer ends the lease if this goes on.
      return null;
    }
  }
}
