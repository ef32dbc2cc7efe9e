/** A process that starts runs and sends outgoing webhooks, until it is killed. */
import { notify, workflow } from "varve";
import { createEngine } from "varve/node";

export interface NoticesSetup {
  readonly db: string;
  readonly url: string;
  readonly secret: string;
  /** Runs that it starts, one after the other. */
  readonly runs: number;
  /** Names its runs, so that none is started twice. */
  readonly life: number;
}

const { db, url, secret, runs, life } = JSON.parse(process.argv[2] ?? "{}") as NoticesSetup;

const greet = workflow({ name: "greet" }, async () => "hello");
const receiver = notify({ name: "receiver", url, secrets: [secret], events: ["run.completed"], allowPrivate: true });

const engine = await createEngine({ db, workflows: [greet], notify: [receiver] });
console.log(JSON.stringify({ ready: true }));
for (let i = 0; i < runs; i++) {
  await engine.start(greet, undefined, { idempotencyKey: `${life}-${i}` });
  await new Promise((resolve) => setTimeout(resolve, 5));
}
