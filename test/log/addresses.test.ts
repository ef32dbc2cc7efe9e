/** Addresses of databases hold passwords and tokens: no error shows one. */
import { inspect } from "node:util";
import { createEngine } from "varve/node";
import { expect, it } from "vitest";
import { toFailure } from "../../src/kernel/failure.ts";
import { rejection } from "./open.ts";

const SECRET = "c4n4ry";

/** Nobody listens at port 1. */
const refused: readonly (readonly [url: string, code: string])[] = [
  [`libsql://user:${SECRET}@127.0.0.1:1?tls=0`, "STORE_UNAVAILABLE"],
  [`http://user:${SECRET}@127.0.0.1:1/`, "STORE_UNAVAILABLE"],
  [`http://127.0.0.1:1/?authToken=${SECRET}`, "STORE_UNAVAILABLE"],
  [`http://127.0.0.1:1/?authToken=${SECRET}&more=1`, "DATABASE_URL_INVALID"],
  [`http://127.0.0.1:1/#${SECRET}`, "DATABASE_URL_INVALID"],
  [`libsql://127.0.0.1:1?tls=${SECRET}`, "DATABASE_URL_INVALID"],
  [`postgres://user:${SECRET}@127.0.0.1/db`, "DATABASE_URL_INVALID"],
  [`postgres://user:${SECRET.slice(0, 2)}/${SECRET}@127.0.0.1/db`, "DATABASE_URL_INVALID"],
  [`user:${SECRET}@127.0.0.1`, "DATABASE_URL_INVALID"],
  [`file:log.db?authToken=${SECRET}`, "DATABASE_URL_INVALID"],
];

it.each(refused)("%s is refused without its secret, also in causes and stacks", async (db, code) => {
  const error = await rejection(createEngine({ db, workflows: [], worker: false }));
  expect(error).toMatchObject({ code });
  expect(`${inspect(error, { depth: 9 })}${JSON.stringify(toFailure(error))}`).not.toContain(SECRET);
});

it("a token that no header can hold is refused without being shown", async () => {
  for (const authToken of [`${SECRET}\nx`, `${SECRET}é`, 7 as never]) {
    const error = await rejection(createEngine({ db: "http://127.0.0.1:1", authToken, workflows: [], worker: false }));
    expect(error).toMatchObject({ code: "OPTION_INVALID", facts: { what: "authToken" } });
    expect(inspect(error, { depth: 9 })).not.toContain(SECRET);
  }
});
