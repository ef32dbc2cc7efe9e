/** What the engine does with messages: publishes them, has them dispatched, and tells what became of them. */
import { decodePayload } from "../kernel/codec.ts";
import { type Duration, formatDuration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError, NotFoundError } from "../kernel/errors.ts";
import { type IdSource, idSource } from "../kernel/ids.ts";
import { invalidOption } from "../kernel/options.ts";
import { checkTags, NO_TAGS } from "../kernel/tags.ts";
import { checkPathName } from "../kernel/text.ts";
import type { MessageRow, SubscriptionRow } from "../log/port-messages.ts";
import { checkTopic, RUN_ENDS } from "../triggers/topic.ts";
import { encodeInput } from "../worker/new-run.ts";
import type * as api from "./api-messages.ts";
import type { Listener } from "./dispatch.ts";
import { DispatchLoop, type DispatchLoopParts } from "./dispatch-loop.ts";

/** How messages are kept. */
export interface MessagesOptions {
  /**
   * How long a message is kept after it was published, and another with its id on its topic is the same one: 1 day to 1
   * year.
   *
   * @default "7d"
   */
  readonly retention?: Duration;
}

export interface MessagesParts extends Omit<DispatchLoopParts, "register"> {
  readonly options: MessagesOptions | undefined;
  /** Nothing goes on between calls, and no call waits for what another one does. */
  readonly isolated: boolean;
}

const DAY_MS = 86_400_000;
const RETENTION_MS_DEFAULT = 7 * DAY_MS;

/** What a call of publish with nobody's id is told apart by, and what stands in for an id. */
const ID_PREFIX = "pub";

const DECISIONS_MAX = 1_000;

export class Messages {
  readonly #parts: MessagesParts;
  readonly #newId: IdSource;
  readonly #loop: DispatchLoop;
  #isRegistered = false;

  constructor(parts: MessagesParts) {
    this.#parts = parts;
    this.#newId = idSource(ID_PREFIX, parts.ports);
    this.#loop = new DispatchLoop({ ...parts, register: () => this.#register() });
  }

  async publish(topic: string, payload: unknown, options: api.PublishOptions): Promise<api.PublishedMessage> {
    checkTopic(topic);
    const { at, tags } = options;
    const token = this.#newId();
    const id = options.id === undefined ? token : checkPathName("the id of a message", options.id);
    const text = JSON.stringify(encodeInput(payload, this.#parts.payloadBytesMax));
    const message = {
      ...{ topic, id, payload: text, token },
      tags: tags === undefined ? NO_TAGS : checkTags(tags),
      at: at === undefined ? Math.floor(await this.#parts.now()) : instantOf(at),
    };
    const { position, created } = await this.#parts.store.publishMessage(message);
    // Also one that was there: who wrote it may have died before it was dispatched.
    await this.#dispatch();
    return { topic, id, position, created };
  }

  /** It is durable, so what becomes of it is not the publisher's to wait for; but in an isolate nothing goes on by itself. */
  async #dispatch(): Promise<void> {
    if (!this.#parts.isolated) this.#loop.nudge();
    else {
      try {
        await this.#loop.look();
      } catch (error) {
        this.#parts.ports.logger.log("warn", "a message is published and not dispatched yet: the next tick does it", {
          reason: error instanceof Error ? error.message : String(error),
        });
      }
    }
  }

  async list(options: api.ListMessagesOptions, limit: number): Promise<api.MessagePage> {
    const topic = options.topic === undefined ? null : checkListed(options.topic);
    const before = options.cursor === undefined ? null : positionOf(options.cursor);
    const rows = await this.#parts.store.listMessages({ topic, before, limit: limit + 1 });
    const messages = rows.slice(0, limit).map(messageInfo);
    const last = messages.at(-1);
    return { messages, cursor: rows.length > limit && last !== undefined ? String(last.position) : null };
  }

  async show(topic: string, id: string): Promise<api.MessageDetail> {
    const row = await this.#parts.store.getMessage(checkListed(topic), checkPathName("the id of a message", id));
    if (row === null) {
      const message = `expected a message ${JSON.stringify(id)} on ${JSON.stringify(topic)}, but there is none; it may have been forgotten, which happens ${formatDuration(retentionOf(this.#parts.options))} after it was published`;
      throw new NotFoundError("MESSAGE_NOT_FOUND", message, { topic, id });
    }
    const decisions = await this.#parts.store.listDispatches(row.position, { after: 0, limit: DECISIONS_MAX + 1 });
    const shown = decisions.slice(0, DECISIONS_MAX).map(({ subject, decision, reason, runId }) => {
      return { subject, decision, reason, runId };
    });
    return { ...messageInfo(row), decisions: shown, more: decisions.length > DECISIONS_MAX };
  }

  /** From now on messages are dispatched as they come, and as time goes by. */
  start(): void {
    this.#loop.start();
  }

  /** A run has ended: somebody may listen to that. */
  runEnded(): void {
    const subscriptions = [...this.#parts.listeners.values()].flatMap((listener) => listener.subscriptions);
    if (subscriptions.some(({ text }) => text.run !== null)) this.#loop.nudge();
  }

  /** Whether a workflow listens to anything. */
  get listens(): boolean {
    return this.#loop.listens;
  }

  /** Does what is due. When something will be next; null: nothing is in sight. */
  async look(): Promise<number | null> {
    return await this.#loop.look();
  }

  async close(): Promise<void> {
    await this.#loop.close();
  }

  /** Once: a workflow that listens to nothing takes back what an earlier version of it listened to. */
  async #register(): Promise<void> {
    if (this.#isRegistered) return;
    const listeners = [...this.#parts.listeners.values()];
    if (listeners.length > 0) {
      const names = listeners.map(({ name }) => name);
      await this.#parts.store.putSubscriptions(names, listeners.flatMap(subscriptionRows));
    }
    this.#isRegistered = true;
  }
}

function subscriptionRows({ name: workflow, version, subscriptions }: Listener): SubscriptionRow[] {
  return subscriptions.map(({ name, text }) => ({ workflow, name, version, text: JSON.stringify(text) }));
}

/** @throws DefinitionError `OPTION_INVALID`, `DURATION_INVALID` */
export function retentionOf(options: MessagesOptions | undefined): number {
  if (options?.retention === undefined) return RETENTION_MS_DEFAULT;
  const ms = parseDuration(options.retention);
  if (ms >= DAY_MS && ms <= 365 * DAY_MS) return ms;
  throw invalidOption("messages.retention", "a duration from 1d to 365d", options.retention);
}

function instantOf(at: Date | number): number {
  const ms = at instanceof Date ? at.getTime() : at;
  if (Number.isFinite(ms)) return Math.floor(ms);
  throw invalidOption("at of a message", "a Date, or milliseconds since the epoch", at);
}

/** The engine's own topics can be looked at. */
function checkListed(topic: string): string {
  return typeof topic === "string" && topic.startsWith(`${RUN_ENDS}.`) ? topic : checkTopic(topic);
}

function positionOf(cursor: string): number {
  const position = Number(cursor);
  if (/^\d{1,15}$/.test(cursor) && Number.isSafeInteger(position)) return position;
  throw new DefinitionError(
    "OPTION_INVALID",
    "expected the cursor that the page before returned, but found another text",
    {
      cursor,
    },
  );
}

function messageInfo({
  position,
  topic,
  id,
  payload,
  tags,
  at,
  publishedAt,
  dispatchedAt,
}: MessageRow): api.MessageInfo {
  return { position, topic, id, payload: decodePayload(JSON.parse(payload)), tags, at, publishedAt, dispatchedAt };
}
