/** `varve keys create|list|revoke` */
import type { Command } from "commander";
import type { ApiKey, ApiKeys, ApiScope } from "../engine/api-keys.ts";
import { API_SCOPES } from "../engine/keys.ts";
import { openEngine, readOptions } from "./access.ts";
import { listArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import { instantText } from "./time-text.ts";
import { action, type Call, group, type Target, verb, withDatabase, withShared } from "./verb.ts";

const CREATE_HELP = `
The key is printed now and never again: the database keeps its digest alone.
--json prints { id, name, scopes, createdAt, revokedAt, token }.

Example:
  VARVE_API_KEY=$(varve keys create ci --scope runs:read,runs:write)`;

export function keysVerb(): Command {
  return group("keys", "Makes, lists and revokes keys of the HTTP API", [
    withShared(withDatabase(verb("create", "Makes a key, and prints it")))
      .argument("<name>", "whose it is, or what for")
      .option("--scope <scope>", `what it may do: ${API_SCOPES.join(", ")}; all, if not given`, listArgument)
      .addHelpText("after", CREATE_HELP)
      .action(action(createKey)),
    withDatabase(verb("list", "Lists all keys, without their secrets"))
      .addHelpText("after", "\n--json prints { keys: [{ id, name, scopes, createdAt, revokedAt }] }.")
      .action(action(listKeys)),
    withShared(withDatabase(verb("revoke", "Ends a key")))
      .argument("<key>", "its id")
      .addHelpText("after", "\n--json prints the key.")
      .action(action(revokeKey)),
  ]);
}

async function createKey({ output, target, options }: Call<{ scope?: string[] }>, name: string): Promise<number> {
  const scopes = (options.scope ?? API_SCOPES) as readonly ApiScope[];
  const key = await withKeys(target, (keys) => keys.create({ name, scopes }));
  if (output.json) output.document(key);
  else {
    output.line(key.token);
    output.note(`key ${key.id} of ${key.name} for ${key.scopes.join(", ")}: it is shown this once`);
  }
  return EXIT.ok;
}

async function listKeys({ output, target }: Call<object>): Promise<number> {
  const { openReadOnly } = await import("../runtime/read-only.ts");
  const { keys, close } = await openReadOnly(readOptions(target));
  const list = await keys();
  await close();
  if (output.json) output.document({ keys: list });
  else if (list.length === 0) output.note("no keys");
  else {
    output.table<ApiKey>(
      [
        { title: "KEY", value: ({ id }) => id },
        { title: "NAME", value: ({ name }) => name },
        { title: "SCOPES", value: ({ scopes }) => scopes.join(",") },
        { title: "CREATED", value: ({ createdAt }) => instantText(createdAt) },
        { title: "REVOKED", value: ({ revokedAt }) => (revokedAt === null ? "" : instantText(revokedAt)) },
      ],
      list,
    );
  }
  return EXIT.ok;
}

async function revokeKey({ output, target }: Call<object>, id: string): Promise<number> {
  const key = await withKeys(target, (keys) => keys.revoke(id));
  if (output.json) output.document(key);
  else output.line(`revoked key ${key.id} of ${key.name}`);
  return EXIT.ok;
}

async function withKeys<T>(target: Target, act: (keys: ApiKeys) => Promise<T>): Promise<T> {
  const engine = await openEngine(target, { works: false });
  try {
    return await act(engine.keys);
  } finally {
    await engine.close();
  }
}
