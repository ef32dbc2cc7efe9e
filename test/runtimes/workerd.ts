/** workerd as a child process: one Worker made of a bundle, in one or more isolates, each on a port of its own. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundleForIsolate } from "./bundle.ts";
import { type Child, startChild } from "./child.ts";

const BINARY = "node_modules/workerd/bin/workerd";

/** The newest behaviour that the pinned workerd has. No Node compatibility: the engine needs none. */
const COMPATIBILITY_DATE = "2026-11-17";

/**
 * What is outside of a Worker: the platform's clock, and a client that hangs up when it is told to. From without, workerd
 * does not see that a client has gone (cloudflare/workerd#5062); from within it does, and cancels the request.
 */
const OUTSIDE = `
export default {
  async fetch(request, { APP, EVIDENCE_URL }) {
    if (new URL(request.url).pathname === "/cron") {
      const { outcome } = await APP.scheduled({ scheduledTime: new Date(0), cron: "* * * * *" });
      return new Response(outcome);
    }
    const hangUp = new AbortController();
    const answered = APP.fetch(request.url, { method: "POST", signal: hangUp.signal }).then(
      () => "answered",
      () => "hung up",
    );
    const told = fetch(EVIDENCE_URL, { method: "POST", body: JSON.stringify({ told: "asking", key: "hang-up" }) });
    await Promise.race([answered, told]);
    hangUp.abort();
    return new Response(await answered);
  },
};`;

export type Bindings = Readonly<Record<string, string>>;

interface Listening {
  readonly event: "listen";
  readonly socket: string;
  readonly port: number;
}

export interface Workerd {
  /** The address of an isolate. */
  url(isolate: string): string;
  /** Wakes an isolate by a cron event. Resolves with the event's outcome. */
  wake(isolate: string): Promise<string>;
  /** Asks an isolate and hangs up once the key `hang-up` is released. */
  askAndHangUp(isolate: string, pathAndQuery: string): Promise<string>;
  readonly stderr: string;
  /** Ends it by SIGKILL. */
  kill(): Promise<void>;
}

export async function bundleForWorkerd(path: string): Promise<string> {
  return (await bundleForIsolate(`export { default } from "./${path}";`, ["cloudflare:workers"])).code;
}

/**
 * Starts workerd on a Worker.
 *
 * @param folder where its configuration is put, beside `worker.js`, the bundle
 * @param isolates the bindings of each isolate, by its name
 */
export async function startWorkerd(folder: string, isolates: Readonly<Record<string, Bindings>>): Promise<Workerd> {
  writeFileSync(join(folder, "outside.js"), OUTSIDE);
  const path = join(folder, "workerd.capnp");
  writeFileSync(path, configuration(isolates));
  const child: Child<Listening> = startChild(BINARY, ["serve", "--experimental", "--verbose", "--control-fd=3", path], {
    tellsOn: 3,
  });
  const ports = new Map<string, number>();
  for (const name of Object.keys(isolates).flatMap((isolate) => [isolate, `${isolate}-outside`])) {
    const { port } = await child.told((line) => line.event === "listen" && line.socket === name);
    ports.set(name, port);
  }
  const url = (name: string) => `http://127.0.0.1:${ports.get(name)}`;
  const outside = async (isolate: string, pathAndQuery: string) =>
    await (await fetch(`${url(`${isolate}-outside`)}${pathAndQuery}`)).text();
  return {
    url,
    wake: (isolate) => outside(isolate, "/cron"),
    askAndHangUp: outside,
    get stderr() {
      return child.stderr;
    },
    kill: () => child.kill(),
  };
}

function configuration(isolates: Readonly<Record<string, Bindings>>): string {
  const names = Object.keys(isolates);
  const text = JSON.stringify;
  const texts = (bindings: Bindings) =>
    Object.entries(bindings).map(([key, value]) => `(name = ${text(key)}, text = ${text(value)})`);
  const services = names.flatMap((name) => [
    `(name = ${text(name)}, worker = (
      modules = [(name = "worker", esModule = embed "worker.js")],
      compatibilityDate = "${COMPATIBILITY_DATE}",
      bindings = [${texts(isolates[name] ?? {})}]))`,
    `(name = "${name}-outside", worker = (
      modules = [(name = "outside", esModule = embed "outside.js")],
      compatibilityDate = "${COMPATIBILITY_DATE}",
      compatibilityFlags = ["service_binding_extra_handlers"],
      bindings = [(name = "APP", service = ${text(name)}), ${texts({ EVIDENCE_URL: isolates[name]?.["EVIDENCE_URL"] ?? "" })}]))`,
  ]);
  const sockets = names
    .flatMap((name) => [name, `${name}-outside`])
    .map((name) => `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}")`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [${[...services, '(name = "internet", network = (allow = ["local"]))'].join(",\n    ")}],
  sockets = [${sockets.join(",\n    ")}]);
`;
}
