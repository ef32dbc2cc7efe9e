/** `varve publish` and `varve messages list|show`: at a server, and at a file that nobody owns. */
import { expect, it } from "vitest";
import { json, jsonError, place } from "./varve.ts";

const LISTENS = `
import { cel, workflow } from "varve";

export const ship = workflow(
  { name: "ship", on: [{ topic: "orders.*", match: cel("message.payload.total > 10"), input: ({ payload }) => payload }] },
  async (_ctx, input) => input,
);
`;

it("a message is published, decided by a server with the code, and shown with its reason", async () => {
  const here = place();
  here.write("workflows/ship.ts", LISTENS);
  const args = ["publish", "orders.paid", "-i", "total=11", "--id", "m-1", "--tag", "t=x"];
  // A database must be there: a server makes one.
  expect((await here.varve(args)).code).toBe(7);
  const server = await here.serve();
  expect(await here.varve(args)).toEqual({ code: 0, stdout: "message m-1 on orders.paid is published\n", stderr: "" });
  expect(json(await here.varve([...args, "--json"]))).toMatchObject({ id: "m-1", created: false });
  await here.varve(["publish", "orders.paid", '{"total":1}', "--id", "m-2"]);
  const bad = await here.varve(["publish", "a..b", "1", "--json"]);
  expect([bad.code, jsonError(bad).code]).toEqual([2, "TOPIC_INVALID"]);
  const [run] = json<{ runs: { id: string }[] }>(await here.varve(["runs", "list", "--json"])).runs;
  const shown = await here.varve(["messages", "show", "orders.paid", "m-1"]);
  expect(shown.stdout).toContain(`ship/orders.*\tstarted\t${run?.id}\t\n`);
  const other = await here.varve(["messages", "show", "orders.paid", "m-2"]);
  expect(other.stdout).toContain("ship/orders.*\tfiltered\t\tits match is false: message.payload.total > 10\n");
  server.kill("SIGTERM");
  await server.ended;
  // Beside no server: written to the file, and left for whoever has the code.
  expect((await here.varve(["publish", "orders.late", '{"total":12}', "--id", "m-3"])).code).toBe(0);
  const list = json<{ messages: { id: string; dispatchedAt: number | null }[] }>(
    await here.varve(["messages", "list", "--json"]),
  );
  expect(list.messages.map(({ id, dispatchedAt }) => [id, dispatchedAt === null])).toEqual([
    ["m-3", true],
    ["m-2", false],
    ["m-1", false],
  ]);
  await here.serve();
  await expect
    .poll(async () => (await here.varve(["messages", "show", "orders.late", "m-3"])).stdout)
    .toContain("started");
  expect((await here.varve(["messages", "show", "orders.late", "none"])).code).toBe(3);
}, 120_000);
