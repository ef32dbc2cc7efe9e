/** `varve webhooks test`: a delivery signed with the hook's own secret, sent to a server or decided about here. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import type { Command } from "commander";
import { DefinitionError, NotFoundError, StoreError } from "../kernel/errors.ts";
import { toFailure } from "../kernel/failure.ts";
import { type Decision, decide, keyOf, orInvalid } from "../triggers/decide.ts";
import { deliveryOf, type Hook } from "../triggers/hook.ts";
import type { WebhookRequest } from "../triggers/scheme.ts";
import type { SecretResolver } from "../triggers/secrets.ts";
import { findServer } from "./access.ts";
import { tagArgument } from "./arguments.ts";
import { EXIT } from "./exit-codes.ts";
import { createLoader, DEFAULT_WORKFLOWS } from "./load.ts";
import { type Output, plain, plainLines } from "./output.ts";
import { withSchemas } from "./schemas.ts";
import { action, type Call, verb, withServer } from "./verb.ts";

const HELP = `
The hook is that of --workflows, and its secrets are found where a server here would find them. Without a body a small one is
sent that has an id where Stripe and Slack look for it.
--dry-run verifies and decides here, does nothing, and prints the decision: with --json { verified, decision }. Else --json
prints { status, answer }.

Examples:
  varve webhooks test github @payload.json --header x-github-event=issues
  varve webhooks test stripe --dry-run`;

interface Options {
  readonly workflows: readonly string[];
  readonly id?: string;
  readonly header?: Readonly<Record<string, string>>;
  readonly dryRun: boolean;
}

/** How long the server may take, milliseconds: a hook may answer with a result. */
const ANSWER_MS = 70_000;

const secrets: SecretResolver = (name) => process.env[name];

export function webhooksTestVerb(): Command {
  return withSchemas(withServer(verb("test", "Sends a hook a delivery that is signed with its own secret")))
    .argument("<hook>", "its name")
    .argument("[body]", "the body as it is, or @file")
    .option("--id <id>", "the id of the delivery (a new one)")
    .option("--header <name=value>", "another header; may be repeated", tagArgument)
    .option("--dry-run", "decide about it here, and do nothing", false)
    .addHelpText("after", HELP)
    .action(action(test));
}

async function test(
  { output, target, options }: Call<Options>,
  name: string,
  given: string | undefined,
): Promise<number> {
  const hook = await hookNamed(name, options.workflows);
  const request = await signedRequest(hook, options, given);
  if (options.dryRun) return await decideHere(output, hook, request);
  const server = await findServer(target);
  if (server === null) {
    throw new DefinitionError(
      "SERVER_MISSING",
      "expected a Varve server to send the delivery to, but found none; start one by `varve serve`, name one by --url, or decide here by --dry-run",
    );
  }
  const response = await post(`${server.via}/hooks/${name}`, request);
  const text = await response.text();
  if (output.json) output.document({ status: response.status, answer: jsonOrText(text) });
  else output.line(`${response.status} ${plainLines(text)}`);
  return response.ok ? EXIT.ok : EXIT.failed;
}

async function hookNamed(name: string, paths: readonly string[]): Promise<Hook> {
  const { hooks } = await createLoader().load(paths.length === 0 ? [DEFAULT_WORKFLOWS] : paths);
  const found = hooks.find((hook) => hook.name === name);
  if (found !== undefined) return found;
  const known = hooks.map((hook) => hook.name).join(", ") || "none";
  throw new NotFoundError(
    "HOOK_UNKNOWN",
    `expected a hook that modules export, but found ${JSON.stringify(name)}; there are: ${known}`,
    {
      hook: name,
    },
  );
}

async function signedRequest(hook: Hook, options: Options, given: string | undefined): Promise<WebhookRequest> {
  const { scheme } = hook;
  if (scheme.sign === undefined) {
    throw new DefinitionError(
      "SIGNING_UNKNOWN",
      `expected the scheme "${scheme.name}" of the hook "${hook.name}" to know how its sender signs, but it has no function sign`,
    );
  }
  const { id = `test-${randomUUID()}`, header = {} } = options;
  const body = bodyOf(given, id);
  const at = Date.now();
  const signed = await scheme.sign({ body, id, at }, secrets);
  const headers = { "content-type": "application/json", ...header, ...signed };
  return { headers: Object.entries(headers), body, receivedAt: at, isLocal: true };
}

function bodyOf(given: string | undefined, id: string): Uint8Array {
  if (given === undefined) return new TextEncoder().encode(JSON.stringify({ id, event_id: id, type: "varve.test" }));
  if (!given.startsWith("@")) return new TextEncoder().encode(given);
  const path = given.slice(1);
  try {
    return readFileSync(path);
  } catch (cause) {
    const found = toFailure(cause).message;
    throw new DefinitionError(
      "INPUT_UNREADABLE",
      `expected a file at ${path}, but found: ${found}`,
      { path },
      { cause },
    );
  }
}

/** As the engine would, but for what is recorded already. */
async function decideHere(output: Output, hook: Hook, request: WebhookRequest): Promise<number> {
  const verification = await hook.scheme.verify(request, secrets);
  if (!verification.ok) {
    const { reason, detail } = verification;
    if (output.json) output.document({ verified: false, reason, detail });
    else output.line(`refused: ${reason}: ${detail}`);
    return EXIT.failed;
  }
  const key = await orInvalid(() => keyOf(hook, deliveryOf(hook.name, verification.deliveryId, request)));
  const decision = typeof key === "string" ? await decide(hook, deliveryOf(hook.name, key, request)) : key;
  if (output.json) output.document({ verified: true, deliveryId: typeof key === "string" ? key : null, decision });
  else output.line(decisionText(hook, decision));
  return EXIT.ok;
}

function decisionText({ target }: Hook, decision: Decision): string {
  switch (decision.kind) {
    case "start": {
      const workflow = target.kind === "start" ? target.workflow.name : "";
      return `would start ${workflow} with ${plain(JSON.stringify(decision.input) ?? "nothing")}`;
    }
    case "signal":
      return `would tell run ${plain(decision.runId)} ${plain(decision.name)} with ${plain(JSON.stringify(decision.payload) ?? "nothing")}`;
    case "ignore":
      return `would be ignored: ${decision.reason.code}: ${plain(decision.reason.message)}`;
    case "invalid":
      return `would be invalid: ${decision.reason.code}: ${plain(decision.reason.message)}`;
  }
}

async function post(url: string, { headers, body }: WebhookRequest): Promise<Response> {
  try {
    const init = { method: "POST", headers: headers.map(([name, value]) => [name, value] as [string, string]), body };
    return await fetch(url, { ...init, body: new Uint8Array(body), signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (cause) {
    const found = toFailure(cause).message;
    const message = `expected a Varve server at ${url}, but found: ${found}`;
    throw new StoreError("SERVER_UNREACHABLE", message, { url, retry: true }, { cause });
  }
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
