/** Reads server-sent events as a browser does. */
import type { RunEvent } from "../../src/kernel/events.ts";

export interface Message {
  readonly id: number;
  readonly event: string;
  readonly data: RunEvent;
}

export interface Listening {
  /** The next message; null: the answer has ended. */
  next(): Promise<Message | null>;
  /** The next piece of the answer, whatever it is; null: it has ended. */
  nextPiece(): Promise<string | null>;
  /** All messages until the answer ends. */
  rest(): Promise<Message[]>;
  leave(): Promise<void>;
}

export function listen(response: Response): Listening {
  if (response.headers.get("content-type") !== "text/event-stream") {
    throw new Error(`expected an event stream, but found ${response.status}`);
  }
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  const nextPiece = async (): Promise<string | null> => {
    for (;;) {
      const end = text.indexOf("\n\n");
      if (end >= 0) {
        const piece = text.slice(0, end);
        text = text.slice(end + 2);
        return piece;
      }
      const { done, value } = await reader.read();
      if (done) return null;
      text += decoder.decode(value, { stream: true });
    }
  };
  const next = async (): Promise<Message | null> => {
    for (;;) {
      const piece = await nextPiece();
      if (piece === null) return null;
      const message = messageOf(piece);
      if (message !== null) return message;
    }
  };
  const rest = async () => {
    const messages: Message[] = [];
    for (let message = await next(); message !== null; message = await next()) messages.push(message);
    return messages;
  };
  return { next, nextPiece, rest, leave: async () => await reader.cancel() };
}

/** Null for a comment, or `retry` alone. */
function messageOf(piece: string): Message | null {
  const fields = new Map(
    piece.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)] as const),
  );
  const data = fields.get("data");
  if (data === undefined) return null;
  return { id: Number(fields.get("id")), event: fields.get("event") ?? "", data: JSON.parse(data) as RunEvent };
}
