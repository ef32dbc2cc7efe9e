/** What isolates tell of themselves, and when a body may end: they have no file and no stdout, so they say it by HTTP. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Begun {
  readonly told: "begun";
  readonly key: string;
  readonly attempt: number;
  readonly isolate: string;
}

export interface Ticked {
  readonly told: "ticked";
  readonly more: boolean;
  readonly nextAt: number | null;
}

/** A client waits to be told that it should hang up. */
interface Asking {
  readonly told: "asking";
  readonly key: string;
}

/** Whoever was held has let go: its request was cut off. */
interface CutOff {
  readonly told: "cut-off";
  readonly key: string;
}

export type Fact = Begun | Ticked | Asking | CutOff;

export interface Evidence {
  readonly url: string;
  /** The bodies that began: `key #attempt`, sorted. */
  readonly begun: readonly string[];
  /** Who tells of this key gets no answer from now on, until it is released. So a body does not end. */
  hold(key: string): void;
  /** Answers those who wait, and those who come. */
  release(key: string): void;
  /** The first fact that fits, of those after the first `after`. */
  told(fits: (fact: Fact) => boolean, after?: number): Promise<Fact>;
  /** How many facts there are. */
  readonly length: number;
  close(): Promise<void>;
}

export async function collectEvidence(): Promise<Evidence> {
  const facts: Fact[] = [];
  const waiting = new Set<() => void>();
  /** The answers that are waited for, by key. */
  const held = new Map<string, Set<ServerResponse>>();
  const add = (fact: Fact) => {
    facts.push(fact);
    for (const look of [...waiting]) look();
  };
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    const fact = JSON.parse(text) as Begun | Ticked | Asking;
    const key = "key" in fact ? fact.key : "";
    const holders = held.get(key);
    if (holders === undefined) response.end();
    else {
      holders.add(response);
      response.once("close", () => {
        holders.delete(response);
        if (!response.writableEnded) add({ told: "cut-off", key });
      });
    }
    add(fact);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get begun() {
      return facts.flatMap((fact) => (fact.told === "begun" ? [`${fact.key} #${fact.attempt}`] : [])).sort();
    },
    get length() {
      return facts.length;
    },
    hold: (key) => void held.set(key, new Set()),
    release: (key) => {
      const holders = held.get(key) ?? [];
      held.delete(key);
      for (const response of holders) response.end();
    },
    told: (fits, after = 0) =>
      new Promise((resolve) => {
        const look = () => {
          const found = facts.slice(after).find(fits);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
