/** The queues of an engine that is elsewhere. */
import type { QueueChange, QueueControl, QueueInfo } from "../engine/api-queues.ts";
import { QUEUES_PATH } from "../http/wire.ts";
import { checkPathName } from "../kernel/text.ts";
import { type Connection, requestJson } from "./request.ts";

export class HttpQueues implements QueueControl {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async list(): Promise<QueueInfo[]> {
    return (await requestJson<{ queues: QueueInfo[] }>(this.#connection, { path: QUEUES_PATH })).queues;
  }

  async set(name: string, change: QueueChange): Promise<QueueInfo> {
    const path = `${QUEUES_PATH}/${encodeURIComponent(checkPathName("the name of a queue", name))}`;
    return await requestJson<QueueInfo>(this.#connection, { method: "POST", path, body: change });
  }

  pause(name: string): Promise<QueueInfo> {
    return this.set(name, { paused: true });
  }

  resume(name: string): Promise<QueueInfo> {
    return this.set(name, { paused: false });
  }
}
