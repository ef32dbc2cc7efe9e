/** A process that publishes: the same messages as another one, as fast as it can, until it is killed or done. */
import { workflow } from "varve";
import { createEngine } from "varve/node";

export interface MessageSetup {
  readonly db: string;
  readonly file: "owned" | "shared";
  /** Publishes messages 0 to this, all of them again from the beginning; 0: only works. */
  readonly messages: number;
}

export type MessageTold = { readonly published: number } | { readonly done: true };

const setup = JSON.parse(process.argv[2] ?? "{}") as MessageSetup;

const each = workflow(
  { name: "each", on: [{ topic: "numbers", input: ({ payload }) => payload }] },
  async (_, input: unknown) => input,
);
const pairs = workflow(
  { name: "pairs", on: [{ topic: "numbers", batch: { size: 5, timeout: "1s" } }] },
  async (_, input: unknown) => input,
);
const after = workflow(
  { name: "after", on: [{ run: each, input: ({ payload }) => payload.output }] },
  async (_, input: unknown) => input,
);

// The file may be busy for a while, and what waits for it then keeps no process alive.
setInterval(() => {}, 60_000);
const { db, file, messages } = setup;
const engine = await createEngine({ db, file, workflows: [each, pairs, after], worker: { leaseMs: 1_000 } });
const tell = (told: MessageTold) => console.log(JSON.stringify(told));
for (let n = 0; n < messages; n++) {
  for (;;) {
    try {
      await engine.publish("numbers", n, { id: `n-${n}` });
      break;
    } catch {
      // The other one holds the file: again, as a client does.
    }
  }
  tell({ published: n });
}
tell({ done: true });
