// The server as a process of its own, to be killed: `node hrana-main.mjs --db <path> --port <n>`.

import { parseArgs } from "node:util";
import { startHranaServer } from "./hrana-server.mjs";

const { values } = parseArgs({ options: { db: { type: "string" }, port: { type: "string", default: "0" } } });
const port = Number(values.port);
if (values.db === undefined || !Number.isInteger(port)) {
  console.error("usage: hrana-main.mjs --db <path> [--port <n>]");
  process.exit(2);
}

const server = await startHranaServer({ path: values.db, port });
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => server.close());
console.log(`listening ${server.url}`);
