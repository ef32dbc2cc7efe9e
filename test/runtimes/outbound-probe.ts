/** What holds of requests out into the world on every runtime that has processes: run by each of them. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { checkedOutbound, type Lookup } from "../../src/runtime/checked-outbound.ts";

/** What names come to, and who was asked for. A list a time: a name server may change its mind. */
function nameServer(names: Readonly<Record<string, readonly (readonly string[])[]>>) {
  const asked: string[] = [];
  const lookup: Lookup = (host, _options, done) => {
    const times = asked.filter((each) => each === host).length;
    asked.push(host);
    const found = names[host]?.[times] ?? [];
    done(
      null,
      found.map((address) => ({ address, family: 4 })),
    );
  };
  return { lookup, asked };
}

export async function probeOutbound() {
  const got: { readonly host: string | undefined; readonly body: string }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      got.push({ host: request.headers.host, body });
      if (request.url === "/endless") {
        response.writeHead(202);
        const pump = setInterval(() => response.write("x".repeat(30_000)), 1);
        response.on("close", () => clearInterval(pump));
      } else response.writeHead(429, { "retry-after": "7", location: "http://127.0.0.1/" }).end("later");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const signal = new AbortController().signal;
  const request = (host: string, path: string, body: string) => {
    return { url: `http://${host}:${port}${path}`, headers: { "x-a": "b" }, body, signal };
  };
  const allows = (address: string) => !address.startsWith("10.");
  const names = nameServer({
    "good.example": [["127.0.0.1"]],
    "endless.example": [["127.0.0.1"]],
    // Whoever asks twice connects to what was not checked.
    "rebound.example": [["127.0.0.1"], ["10.0.0.7"]],
    "mixed.example": [["127.0.0.1", "10.0.0.7"]],
  });
  const outbound = checkedOutbound(names.lookup);
  const good = await outbound.post({ ...request("good.example", "/", "é1"), allows });
  const endless = await outbound.post({ ...request("endless.example", "/endless", "2"), allows });
  const rebound = await outbound.post({ ...request("rebound.example", "/", "3"), allows });
  const mixed = await outbound.post({ ...request("mixed.example", "/", "4"), allows });
  const literal = await outbound.post({ ...request("10.0.0.7", "/", "5"), allows });
  const free = await checkedOutbound().post({ ...request("127.0.0.1", "/", "6"), allows: null });
  const local = await checkedOutbound().post({ ...request("localhost", "/", "7"), allows: () => false });
  const aborted = new AbortController();
  aborted.abort();
  const dead = await outbound
    .post({ ...request("127.0.0.1", "/", "8"), allows: null, signal: aborted.signal })
    .then(() => "answered")
    .catch(() => "failed");
  const unknown = await outbound
    .post({ ...request("unknown.example", "/", "9"), allows })
    .then(() => "answered")
    .catch((error: Error) => error.message);
  server.closeAllConnections?.();
  server.close();
  const bodies = got.map(({ body }) => body);
  const host = got[0]?.host?.replace(String(port), "port");
  return {
    good,
    endless,
    rebound,
    mixed,
    literal,
    free,
    local: local.kind,
    dead,
    unknown,
    asked: names.asked,
    bodies,
    host,
  };
}

if (process.argv.includes("--probe")) process.stdout.write(JSON.stringify(await probeOutbound()));
