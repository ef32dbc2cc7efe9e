/** Messages over HTTP. */
import type {
  ListMessagesOptions,
  MessageDetail,
  MessageInfo,
  MessagePage,
  PublishedMessage,
  PublishOptions,
} from "../engine/api-messages.ts";
import type { WireMessage, WireMessageDetail, WireMessagePage } from "../http/wire-messages.ts";
import { decodePayload, type Payload } from "../kernel/codec.ts";
import { checkPathName } from "../kernel/text.ts";
import { API_PATH } from "./paths.ts";
import { type Connection, requestJson } from "./request.ts";
import { valueFields } from "./value-fields.ts";

const MESSAGES_PATH = `${API_PATH}/messages`;

export async function publishMessage(
  connection: Connection,
  topic: string,
  payload: unknown,
  { at, ...options }: PublishOptions,
): Promise<PublishedMessage> {
  const body = { ...options, ...(at === undefined ? {} : { at: Number(at) }), ...valueFields("payload", payload) };
  return await requestJson<PublishedMessage>(connection, { method: "POST", path: topicPath(topic), body });
}

export async function listMessages(connection: Connection, options: ListMessagesOptions): Promise<MessagePage> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) if (value !== undefined) query.set(name, String(value));
  const path = query.size === 0 ? MESSAGES_PATH : `${MESSAGES_PATH}?${query}`;
  const { messages, cursor } = await requestJson<WireMessagePage>(connection, { path });
  return { messages: messages.map(decodeMessage), cursor };
}

export async function readMessage(connection: Connection, topic: string, id: string): Promise<MessageDetail> {
  const path = `${topicPath(topic)}/${encodeURIComponent(checkPathName("the id of a message", id))}`;
  const { decisions, more, ...message } = await requestJson<WireMessageDetail>(connection, { path });
  return { ...decodeMessage(message), decisions, more };
}

function topicPath(topic: string): string {
  return `${MESSAGES_PATH}/${encodeURIComponent(checkPathName("a topic", topic))}`;
}

function decodeMessage({ payload: value, payloadMeta: meta, ...message }: WireMessage): MessageInfo {
  return { ...message, payload: decodePayload((meta === undefined ? { value } : { value, meta }) as Payload) };
}
