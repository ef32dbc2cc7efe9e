/** `varve webhooks outgoing`: what endpoints were told, from a server and from its file. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { json, jsonError, place } from "./varve.ts";

interface Listed {
  readonly notifications: readonly { readonly position: number; readonly status: string; readonly note: string }[];
}

/** A receiver that answers 410 until it is told otherwise. */
async function receiver() {
  const told = { status: 410, requests: 0 };
  const server = createServer((_, response) => {
    told.requests++;
    response.writeHead(told.status).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(told, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
}

it("lists, retries and enables, by the server and by its file", { timeout: 60_000 }, async () => {
  const here = place();
  const told = await receiver();
  here.write(
    "workflows/told.ts",
    `import { notify, workflow } from "varve";
     export const greet = workflow({ name: "greet" }, async () => "hello");
     export const other = notify({
       name: "other", url: "${told.url}", secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
       events: ["run.completed"], allowPrivate: true,
     });`,
  );
  const outgoing = (...args: string[]) => here.varve(["webhooks", "outgoing", ...args]);
  const listed = async (...args: string[]) => json<Listed>(await outgoing("list", "--json", ...args)).notifications;
  const until = async (fits: () => Promise<boolean>) => {
    while (!(await fits())) await new Promise((resolve) => setTimeout(resolve, 100));
  };

  const server = await here.serve();
  expect((await outgoing("list")).stderr).toContain("no outgoing webhooks");
  await here.varve(["run", "greet", "--wait"]);
  await until(async () => (await listed("--status", "dead")).length === 1);
  const [dead] = await listed();
  expect(dead).toMatchObject({ status: "dead", note: "answered 410" });
  expect((await outgoing("list")).stdout).toMatch(/\tother\tdead\trun\.completed\trun_/);
  expect((await outgoing("endpoints")).stdout).toMatch(/^other\t\d+\tdisabled since /);

  told.status = 200;
  expect((await outgoing("enable", "other")).stdout).toBe("endpoint other is sent to\n");
  expect((await outgoing("retry", "other", "--position", String(dead?.position))).stdout).toBe("1 to send again\n");
  await until(async () => (await listed("--status", "delivered")).length === 1);
  expect(told.requests).toBe(2);
  server.kill("SIGTERM");
  await server.ended;

  expect(await listed("--endpoint", "other")).toMatchObject([{ status: "delivered", note: "answered 200" }]);
  expect(json(await outgoing("endpoints", "--json"))).toMatchObject({
    endpoints: [{ name: "other", disabledAt: null }],
  });
  expect(json(await outgoing("retry", "other", "--json"))).toEqual({ count: 0 });
  const unknown = await outgoing("retry", "nobody", "--json");
  expect(unknown.code).toBe(3);
  expect(jsonError(unknown)).toMatchObject({ code: "ENDPOINT_NOT_FOUND" });
  expect((await outgoing("list", "--status", "lost")).code).toBe(2);
});
