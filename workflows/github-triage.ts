/**
 * Triage of a GitHub repository: every webhook delivery becomes one run that labels it, finds who owns it, gives people a
 * moment to label it themselves, and announces the outcome.
 *
 * Shows: a signed webhook with a filter that starts exactly one run a delivery, steps in parallel, a durable sleep, and a step that is
 * retried as the other side asks for.
 *
 *     npm start                       # then let GitHub post to /hooks/github, content type application/json
 *     varve run github-triage --input @delivery.json --wait
 *     echo '{"event":"issues","payload":{"action":"opened","issue":{"number":1,"title":"It crashes","html_url":""}}}' > delivery.json
 *
 * GITHUB_WEBHOOK_SECRET  the webhook's secret; without it "varve-development", and in production no delivery is taken
 * TRIAGE_URL             where outcomes are posted; without it they stay in the log as the run's result
 */
import { cel, github, RetryableError, TerminalError, webhook, workflow } from "varve";
import { z } from "zod";

/** What is read of a payload. Events differ, and GitHub adds fields: what is missing or odd is passed over. */
const Item = z.object({
  number: z.number(),
  title: z.string(),
  body: z.string().nullish(),
  html_url: z.string(),
  draft: z.boolean().optional(),
  additions: z.number().optional(),
  deletions: z.number().optional(),
});
const Commit = z.object({
  id: z.string(),
  message: z.string(),
  added: z.array(z.string()).default([]),
  modified: z.array(z.string()).default([]),
  removed: z.array(z.string()).default([]),
});
const Payload = z
  .object({
    action: z.string().optional().catch(undefined),
    repository: z.object({ full_name: z.string() }).optional().catch(undefined),
    sender: z.object({ login: z.string(), type: z.string().optional() }).nullish().catch(undefined),
    issue: Item.optional().catch(undefined),
    pull_request: Item.optional().catch(undefined),
    ref: z.string().nullish().catch(undefined),
    compare: z.string().optional().catch(undefined),
    commits: z.array(Commit).optional().catch(undefined),
  })
  .catch({});
type Payload = z.infer<typeof Payload>;

/** One delivery. */
const Delivery = z.object({ event: z.string().min(1), payload: Payload });

export const githubTriage = workflow({ name: "github-triage", input: Delivery }, async (ctx, { event, payload }) => {
  const subject = await ctx.step("read", () => subjectOf(event, payload));
  const [labels, owners, references] = await Promise.all([
    ctx.step("label", () => labelsOf(subject)),
    ctx.step("find-owners", () => ownersOf(subject.paths)),
    ctx.step("find-references", () => referencesOf(subject)),
  ]);
  const outcome = {
    event,
    title: subject.title,
    url: subject.url,
    route: routeOf(subject),
    labels,
    owners,
    references,
  };
  if (outcome.route === "nobody") return { ...outcome, announced: false };

  await ctx.sleep("let-people-first", "2s");
  const announced = await ctx.step("announce", (step) => announce(outcome, step), {
    retry: { attempts: 8, initial: "500ms", max: "30s" },
    timeout: "10s",
  });
  ctx.log("info", "triaged", { event, route: outcome.route, labels });
  return { ...outcome, announced };
});

export const githubHook = webhook({
  name: "github",
  scheme: github({ secrets: () => secret("GITHUB_WEBHOOK_SECRET", "varve-development") }),
  // What GitHub sends when the hook is made says nothing about the repository.
  filter: cel('headers["x-github-event"] != "ping"'),
  workflow: githubTriage,
  input: (delivery) => ({
    event: delivery.headers["x-github-event"] ?? "unknown",
    payload: Payload.parse(delivery.json()),
  }),
});

// ---- What the rules say ----

interface Subject {
  kind: "issue" | "pull-request" | "push" | "other";
  action: string;
  title: string;
  text: string;
  url: string;
  repository: string;
  byBot: boolean;
  isDraft: boolean;
  changedLines: number;
  paths: string[];
}

function subjectOf(event: string, payload: Payload): Subject {
  const { action = "", repository, sender, issue, pull_request: pull, commits = [], ref } = payload;
  const paths = new Set(commits.flatMap(({ added, modified, removed }) => [...added, ...modified, ...removed]));
  const item = pull ?? issue;
  return {
    kind: pull !== undefined ? "pull-request" : issue !== undefined ? "issue" : event === "push" ? "push" : "other",
    action,
    title: item?.title ?? commits.at(-1)?.message.split("\n", 1)[0] ?? [event, action, ref].filter(Boolean).join(" "),
    text: item?.body ?? commits.map(({ message }) => message).join("\n"),
    url: item?.html_url ?? payload.compare ?? "",
    repository: repository?.full_name ?? "",
    byBot: sender?.type === "Bot",
    isDraft: pull?.draft === true,
    changedLines: (pull?.additions ?? 0) + (pull?.deletions ?? 0),
    paths: [...paths].sort(),
  };
}

const LABEL_RULES: readonly (readonly [label: string, words: RegExp])[] = [
  ["bug", /\b(bug|crash(es)?|error|exception|broken|regression|fail(s|ed|ure)?)\b/i],
  ["security", /\b(security|vulnerabilit(y|ies)|cve-\d{4}-\d+|xss|injection|token leak)\b/i],
  ["documentation", /\b(docs?|documentation|readme|spelling|typo|changelog)\b/i],
  ["performance", /\b(slow|performance|latency|memory leak|regress(es|ed) in speed)\b/i],
  ["question", /\?\s*$|\bhow (do|can|to)\b/i],
];

const SIZES: readonly (readonly [linesMax: number, label: string])[] = [
  [10, "size/XS"],
  [50, "size/S"],
  [250, "size/M"],
  [1_000, "size/L"],
];

function labelsOf({ kind, title, text, changedLines }: Subject): string[] {
  const labels = LABEL_RULES.filter(([, words]) => words.test(title) || words.test(text)).map(([label]) => label);
  if (kind !== "pull-request") return labels;
  return [...labels, SIZES.find(([linesMax]) => changedLines <= linesMax)?.[1] ?? "size/XL"];
}

const OWNER_RULES: readonly (readonly [paths: RegExp, owner: string])[] = [
  [/(^|\/)(docs?\/|readme|changelog|.*\.md$)/i, "@docs"],
  [/(^|\/)(\.github\/|\.ci\/|dockerfile|.*\.(yml|yaml|toml)$)/i, "@platform"],
  [/(^|\/)(test|tests|spec)\//i, "@quality"],
  [/\.(ts|tsx|js|mjs|go|rs|py|rb|java|c|h|cpp)$/i, "@engineering"],
];

function ownersOf(paths: readonly string[]): string[] {
  return OWNER_RULES.filter(([rule]) => paths.some((path) => rule.test(path))).map(([, owner]) => owner);
}

/** Issues that are named, and those that a merge closes. */
function referencesOf({ title, text }: Subject): { mentions: number[]; closes: number[] } {
  const numbers = (pattern: RegExp) => [...`${title}\n${text}`.matchAll(pattern)].map(([, number]) => Number(number));
  const closes = [...new Set(numbers(/\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\s+#(\d{1,9})\b/gi))];
  const mentions = [...new Set(numbers(/(?<![\w&])#(\d{1,9})\b/g))].filter((number) => !closes.includes(number));
  return { mentions, closes };
}

const WATCHED = new Set(["opened", "reopened", "edited", "ready_for_review", "synchronize", "created"]);

function routeOf({ kind, action, byBot, isDraft, paths }: Subject): "review" | "backlog" | "deploy-watch" | "nobody" {
  if (byBot || isDraft) return "nobody";
  if (kind === "push") return paths.length > 0 ? "deploy-watch" : "nobody";
  if (kind === "other" || !WATCHED.has(action)) return "nobody";
  return kind === "pull-request" ? "review" : "backlog";
}

// ---- The outside ----

/** Posts the outcome; false: nobody asked for it. The key lets the other side recognise a repeated attempt. */
async function announce(outcome: object, step: { idempotencyKey: string; signal: AbortSignal }): Promise<boolean> {
  const url = process.env["TRIAGE_URL"];
  if (url === undefined || url === "") return false;
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": step.idempotencyKey },
    body: JSON.stringify(outcome),
    signal: step.signal,
  });
  if (response.ok) return true;
  const { status } = response;
  if (status !== 429 && status < 500) throw new TerminalError(`${url} refused the outcome with ${status}`);
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  const wait = Number.isFinite(seconds) ? { retryAfterMs: seconds * 1_000 } : {};
  throw new RetryableError(`${url} answered ${status}`, wait);
}

/** A well-known secret is for development only: in production a missing one makes the hook refuse to be served. */
function secret(name: string, development: string): string[] {
  const value = process.env[name];
  if (value !== undefined && value !== "") return [value];
  return process.env["NODE_ENV"] === "production" ? [] : [development];
}
