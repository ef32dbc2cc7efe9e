/** The deliveries of the log's reference, in the order in which they were decided about. */
import type { LogStore } from "./port.ts";
import type { DecidedDelivery, DeliveryDecision, DeliveryId, DeliveryRow, DeliveryVerdict } from "./port-deliveries.ts";
import type { InboxMessage } from "./port-inbox.ts";

type Stored = DecidedDelivery & Pick<DeliveryRow, "content">;

export class MemoryDeliveries {
  #rows: Stored[] = [];
  #lastPosition = 0;

  get(id: DeliveryId): Stored | null {
    const found = this.#find(id);
    return found === undefined ? null : structuredClone(found);
  }

  getDecided(id: DeliveryId): DecidedDelivery | null {
    const found = this.#find(id);
    return found === undefined ? null : withoutContent(found);
  }

  #find({ hook, deliveryId, replay }: DeliveryId): Stored | undefined {
    return this.#rows.find((row) => row.hook === hook && row.deliveryId === deliveryId && row.replay === replay);
  }

  has(id: DeliveryId): boolean {
    return this.#find(id) !== undefined;
  }

  /** Stores what was decided about a delivery, unless something was before. */
  put(row: DeliveryRow, decision: DeliveryDecision, runId: string | null, reason: string | null): void {
    if (this.has(row)) return;
    const { hook, deliveryId, replay, receivedAt, content } = row;
    const bytes = content?.body.length ?? 0;
    const position = ++this.#lastPosition;
    const stored = { position, hook, deliveryId, replay, receivedAt, decision, runId, reason, bytes, content };
    this.#rows.push(structuredClone(stored));
  }

  /**
   * See `LogStore.decideDelivery`.
   *
   * @param tell sends the signal. Returns why it was not taken; null: it was; undefined: its run is full
   */
  decide(
    { row, decision, reason, signal }: DeliveryVerdict,
    tell: (signal: InboxMessage) => string | null | undefined,
  ): DecidedDelivery | null {
    if (!this.has(row)) {
      const untold = signal === null ? null : tell(signal);
      if (untold === undefined) return null;
      this.put(row, untold === null ? decision : "ignored", signal?.runId ?? null, untold ?? reason);
    }
    return withoutContent(this.#find(row) as Stored);
  }

  lastReplay(hook: string, deliveryId: string): number | null {
    const replays = this.#rows.filter((row) => row.hook === hook && row.deliveryId === deliveryId);
    return replays.length === 0 ? null : Math.max(...replays.map(({ replay }) => replay));
  }

  list(
    { hook, decision }: Parameters<LogStore["listDeliveries"]>[0],
    { before, limit }: Parameters<LogStore["listDeliveries"]>[1],
  ): DecidedDelivery[] {
    return this.#rows
      .filter((row) => (hook === null || row.hook === hook) && (decision === null || row.decision === decision))
      .filter((row) => before === null || row.position < before)
      .reverse()
      .slice(0, limit)
      .map(withoutContent);
  }

  prune({ before, limit }: { before: number; limit: number }): number {
    const isOld = ({ hook, deliveryId }: Stored) =>
      this.#rows.every((row) => row.hook !== hook || row.deliveryId !== deliveryId || row.receivedAt < before);
    const old = this.#rows
      .filter(isOld)
      .sort((a, b) => a.receivedAt - b.receivedAt || a.position - b.position)
      .slice(0, limit);
    this.#rows = this.#rows.filter((row) => !old.includes(row));
    return old.length;
  }
}

function withoutContent({ content: _, ...decided }: Stored): DecidedDelivery {
  return decided;
}
