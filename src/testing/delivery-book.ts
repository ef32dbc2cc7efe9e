/**
 * What the checker knows of webhook deliveries: each has the decision that the log had first, and what was decided is what
 * was done.
 */
import type { LogStore } from "../log/port.ts";
import type { DecidedDelivery, DeliveryId, DeliveryVerdict } from "../log/port-deliveries.ts";
import type { RunStart } from "../log/port-write.ts";
import type { Expect } from "./book.ts";

export class DeliveryBook {
  readonly #expect: Expect;
  readonly #truth: LogStore;
  readonly #decided = new Map<string, DecidedDelivery>();
  /** Runs that deliveries have started which were pruned since: a start that comes late, or again, is answered by its run. */
  readonly #forgotten = new Set<string>();

  constructor(expect: Expect, truth: LogStore) {
    this.#expect = expect;
    this.#truth = truth;
  }

  /** Deliveries were pruned: what comes now is decided about anew. */
  pruned(): void {
    for (const { decision, runId } of this.#decided.values())
      if (decision === "started" && runId !== null) this.#forgotten.add(runId);
    this.#decided.clear();
  }

  /** A start by a delivery was written, or was not. `runId`: what the verdict says. */
  async started({ delivery }: RunStart, runId: string | undefined): Promise<void> {
    if (delivery === null) return;
    const found = await this.#look(delivery);
    const isSaid = (found?.decision === "started" ? found.runId : null) === (runId ?? null);
    this.#judge(
      isSaid || this.#forgotten.has(runId ?? ""),
      delivery,
      `its verdict says ${runId}, and it is ${found?.decision} ${found?.runId}`,
    );
  }

  /** A decision that starts nothing was written, or was not. */
  async told({ row, signal }: DeliveryVerdict, said: DecidedDelivery | null): Promise<void> {
    const isRepeat = this.#decided.has(nameOf(row));
    const found = await this.#look(row);
    this.#judge(isSame(found, said), row, `it was said to be ${said?.decision}, and is ${found?.decision}`);
    if (signal === null) return;
    const mail = await this.#truth.readInbox([signal.runId]);
    const isSent = mail.some(({ token }) => token === signal.token);
    const isSignalled = found?.decision === "signalled";
    this.#judge(
      isSent ? isSignalled : isRepeat || !isSignalled,
      row,
      `it is ${found?.decision}, and mail says otherwise`,
    );
  }

  /** What the log has, which is what it had before. */
  async #look(id: DeliveryId): Promise<DecidedDelivery | null> {
    const found = await this.#truth.getDecided(id);
    const known = this.#decided.get(nameOf(id));
    this.#judge(
      known === undefined || isSame(found, known),
      id,
      `it was ${known?.decision}, and is ${found?.decision}`,
    );
    if (found !== null) this.#decided.set(nameOf(id), found);
    return found;
  }

  #judge(holds: boolean, id: DeliveryId, what: string): void {
    this.#expect("delivery-one-decision", holds, () => `delivery ${nameOf(id)}: ${what}`);
  }
}

function nameOf({ hook, deliveryId, replay }: DeliveryId): string {
  return `${hook}/${deliveryId}+${replay}`;
}

function isSame(a: DecidedDelivery | null, b: DecidedDelivery | null): boolean {
  return a?.position === b?.position && a?.decision === b?.decision && a?.runId === b?.runId;
}
