/** Server-sent events, from the bytes of an answer. */
import { StoreError } from "../kernel/errors.ts";

/** One event that has data. */
export interface Message {
  /** The last id that came, if any did. */
  readonly id: string;
  readonly data: string;
}

/** The longest event, UTF-16 units: values of the log are far smaller. */
const LENGTH_MAX = 64 * 1_048_576;

/**
 * The events of a stream. `heard` is called for whatever comes, also for a comment that only keeps it alive.
 *
 * @throws StoreError `STREAM_INVALID`
 */
export async function* messages(body: ReadableStream<Uint8Array>, heard: () => void): AsyncGenerator<Message> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = "";
  let id = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      text += decoder.decode(value, { stream: true });
      const lines = text.split(/\r\n|\n|\r(?=[^\n])/);
      text = lines.pop() ?? "";
      for (const line of lines) {
        const { field, content } = fieldOf(line);
        if (field === "id" && !content.includes("\0")) id = content;
        else if (field === "data") data.push(content);
        else if (line === "" && data.length > 0) {
          yield { id, data: data.join("\n") };
          data = [];
        }
      }
      if (text.length > LENGTH_MAX) {
        throw new StoreError("STREAM_INVALID", `expected events of at most ${LENGTH_MAX} characters, but found more`);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function fieldOf(line: string): { readonly field: string; readonly content: string } {
  const colon = line.indexOf(":");
  if (colon < 0) return { field: line, content: "" };
  return { field: line.slice(0, colon), content: line.slice(colon + 1).replace(/^ /, "") };
}
