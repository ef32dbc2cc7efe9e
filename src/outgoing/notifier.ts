/**
 * Outgoing webhooks: one loop for each endpoint, as long as the engine works; or, in an isolate, a round whenever it ticks.
 *
 * Owns: the loops. Called by the engine. What is durable is said in `sender.ts`.
 */
import { toFailure } from "../kernel/failure.ts";
import type { Clock, Logger, Outbound } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import type { Bus } from "../observe/bus.ts";
import { checkNamedSecrets, type Endpoint } from "../triggers/outgoing.ts";
import type { SecretResolver } from "../triggers/secrets.ts";
import { EndpointSender, type Round } from "./sender.ts";

export interface NotifierParts {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bus: Bus;
  readonly outbound: Outbound;
  /** Finds the secrets that endpoints name. */
  readonly secrets: SecretResolver | undefined;
  readonly endpoints: readonly Endpoint[];
  /** The database's clock. */
  readonly now: () => Promise<number>;
  /** Another name for each sender, among those of all processes. */
  readonly newHolder: () => string;
}

/** How often a log is looked at that others write too, milliseconds. */
const POLL_MS = 1_000;

/** The longest sleep where nobody else writes: a notice's clock is the database's, a timer's is not. */
const SLEEP_MS_MAX = 60_000;

/** The wait after an error of the database. */
const ERROR_MS = 5_000;

export class Notifier {
  readonly #parts: NotifierParts;
  readonly #stopping = new AbortController();
  readonly #requests = new Set<AbortController>();
  #senders: readonly EndpointSender[] = [];
  #loops: readonly Promise<void>[] | null = null;
  /** What wakes the loops that sleep, by endpoint. */
  readonly #wakes = new Map<string, () => void>();
  /** Endpoints that were told of something while they did not sleep. */
  readonly #told = new Set<string>();
  #unlisten: () => void = () => {};

  constructor(parts: NotifierParts) {
    this.#parts = parts;
  }

  /** @throws DefinitionError `SECRET_INVALID`, `ENDPOINT_INVALID` for secrets that are named and not there */
  async check(): Promise<void> {
    for (const endpoint of this.#parts.endpoints) await checkNamedSecrets(endpoint, this.#parts.secrets);
  }

  /** Begins the loops. A second call does nothing. */
  start(): void {
    if (this.#loops !== null || this.#parts.endpoints.length === 0) return;
    this.#senders = this.#newSenders();
    this.#unlisten = this.#parts.bus.on("event", ({ type }) => {
      for (const { endpoint } of this.#senders) if (endpoint.events.has(type)) this.#wake(endpoint.name);
    });
    this.#loops = this.#senders.map((sender) => this.#loop(sender));
  }

  /** Somebody has changed an endpoint's notices. */
  nudge(name: string): void {
    this.#senders.find(({ endpoint }) => endpoint.name === name)?.forget();
    this.#wake(name);
  }

  /** Does what is due, until `isOver`; a request under way may end after it. Each tick is a sender of its own. */
  async tick(isOver: () => boolean): Promise<Round> {
    const rounds: Round[] = [];
    for (const sender of this.#newSenders()) {
      let round: Round = { more: true, nextAt: null };
      if (!isOver()) {
        do round = await sender.round(await this.#parts.now());
        while (round.more && !isOver());
        await sender.release();
      }
      rounds.push(round);
    }
    const instants = rounds.flatMap(({ nextAt }) => nextAt ?? []);
    return { more: rounds.some(({ more }) => more), nextAt: instants.length === 0 ? null : Math.min(...instants) };
  }

  /** Ends the loops. Requests under way are broken off, and sent again by whoever is next. */
  async stop(): Promise<void> {
    this.#unlisten();
    this.#stopping.abort();
    for (const request of this.#requests) request.abort();
    for (const wake of [...this.#wakes.values()]) wake();
    await Promise.all(this.#loops ?? []);
  }

  #newSenders(): EndpointSender[] {
    const { endpoints, newHolder, ...parts } = this.#parts;
    const { signal } = this.#stopping;
    const requests = this.#requests;
    const holder = endpoints.length === 0 ? "" : newHolder();
    return endpoints.map((endpoint) => new EndpointSender(endpoint, { ...parts, holder, signal, requests }));
  }

  async #loop(sender: EndpointSender): Promise<void> {
    const { signal } = this.#stopping;
    const { name } = sender.endpoint;
    while (!signal.aborted) {
      this.#told.delete(name);
      const waitMs = await this.#round(sender);
      if (waitMs > 0) await this.#sleep(name, waitMs);
    }
    await this.#letGo(sender);
  }

  async #round(sender: EndpointSender): Promise<number> {
    const { store, logger, now } = this.#parts;
    try {
      const at = await now();
      const { more, nextAt } = await sender.round(at);
      if (more) return 0;
      const longest = store.exclusive ? SLEEP_MS_MAX : POLL_MS;
      return nextAt === null ? longest : Math.min(longest, Math.max(1, nextAt - at));
    } catch (error) {
      if (!this.#stopping.signal.aborted) {
        logger.log("warn", "outgoing webhooks wait: the database did not answer", {
          ...{ endpoint: sender.endpoint.name, error: toFailure(error) },
        });
      }
      return ERROR_MS;
    }
  }

  async #letGo(sender: EndpointSender): Promise<void> {
    try {
      await sender.release();
    } catch {
      // The lease ends by itself.
    }
  }

  #wake(name: string): void {
    this.#told.add(name);
    this.#wakes.get(name)?.();
  }

  async #sleep(name: string, ms: number): Promise<void> {
    if (this.#told.has(name) || this.#stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#parts.clock.timer(ms, resolve);
      this.#wakes.set(name, () => {
        cancel();
        resolve();
      });
    });
    this.#wakes.delete(name);
  }
}
