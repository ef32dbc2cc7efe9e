/** Server-sent events out of bytes, however they are cut. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Message, messages } from "../../src/client/sse.ts";

function stream(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  const left = [...chunks];
  return new ReadableStream({
    pull: (controller) => {
      const chunk = left.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  });
}

async function parsed(...chunks: readonly Uint8Array[]): Promise<Message[]> {
  const found: Message[] = [];
  for await (const message of messages(stream(chunks), () => {})) found.push(message);
  return found;
}

const bytes = (text: string) => new TextEncoder().encode(text);

it("an event has the last id that came and its lines of data", async () => {
  const text = "retry: 1000\n\nid: 7\nevent: a.b\ndata: one\ndata: two\n\n: keep-alive\n\ndata:three\n\n";
  expect(await parsed(bytes(text))).toEqual([
    { id: "7", data: "one\ntwo" },
    { id: "7", data: "three" },
  ]);
});

it("an event that the stream ends in is not given", async () => {
  expect(await parsed(bytes("data: whole\n\nid: 9\ndata: half\n"))).toEqual([{ id: "", data: "whole" }]);
});

it("an id with a NUL is passed over", async () => {
  expect(await parsed(bytes("id: a\0b\ndata: x\n\n"))).toEqual([{ id: "", data: "x" }]);
});

it("what is heard is told, also comments", async () => {
  let heard = 0;
  for await (const _ of messages(stream([bytes(": a\n\n"), bytes("data: x\n\n")]), () => heard++))
    expect(heard).toBe(2);
  expect(heard).toBe(2);
});

it("it does not matter where the bytes are cut, nor how lines end", async () => {
  const text = "id: 1\ndata: grüße 🌍\n\nid: 2\ndata: a\ndata: b\n\n";
  const expected = await parsed(bytes(text));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("\n", "\r\n"),
      fc.array(fc.nat({ max: 60 }), { maxLength: 8 }),
      async (end, cuts) => {
        const whole = bytes(text.replaceAll("\n", end));
        const places = [0, ...cuts.filter((at) => at < whole.length).sort((a, b) => a - b), whole.length];
        const chunks = places.slice(1).map((until, i) => whole.slice(places[i], until));
        expect(await parsed(...chunks)).toEqual(expected);
      },
    ),
    { seed: 7 },
  );
});
