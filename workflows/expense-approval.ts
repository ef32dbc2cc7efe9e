/**
 * An expense that somebody must approve: small ones are approved by rule, others wait for a person, are remembered of, and
 * go to the next one up when nobody answers.
 *
 * Shows: a signal with a schema, a wait with a time-out, a loop that asks one person after the other, how a run that
 * waits for days costs rows only, and a webhook that tells a run something instead of starting one.
 *
 *     varve run expense-approval -i id=e-1 -i cents=3900 -i by=ada --wait
 *     varve run expense-approval -i id=e-2 -i cents=120000 -i by=ada --detach
 *     varve runs signal <run> decision '{"by":"grace","approved":true}'
 *
 * Or in Slack: a message with two buttons, action ids `approve` and `reject`, whose value is the run's id. Slack posts a click
 * to /hooks/approvals, which tells the run.
 *
 * SLACK_SIGNING_SECRET  the app's signing secret; without it "varve-development", and in production no click is taken
 */
import { type Ctx, slack, type WebhookDelivery, webhook, workflow } from "varve";
import { z } from "zod";

const Expense = z.object({
  id: z.string().regex(/^[\w-]{1,64}$/),
  by: z.string().min(1),
  cents: z.coerce.number().int().min(1),
  approvers: z.array(z.string().min(1)).min(1).max(10).default(["grace", "edsger"]),
  /** How long each of them has, and after which part of it they are reminded. */
  patience: z.string().default("2d"),
  reminder: z.string().default("1d"),
});
type Expense = z.infer<typeof Expense>;

const Decision = z.object({ by: z.string().min(1), approved: z.boolean(), note: z.string().max(1_000).default("") });
type Decision = z.infer<typeof Decision>;

/** Up to here nobody is asked. */
const SMALL_CENTS = 5_000;

export const expenseApproval = workflow(
  { name: "expense-approval", input: Expense, signals: { decision: Decision } },
  async (ctx, expense) => {
    if (expense.cents <= SMALL_CENTS) return { id: expense.id, status: "approved" as const, by: "rule", note: "small" };
    for (const approver of expense.approvers) {
      const decision = await ctx.scope(`ask ${approver}`, (scope) => ask(scope, expense, approver));
      if (decision === null) continue;
      const { by, note } = decision;
      return { id: expense.id, status: decision.approved ? ("approved" as const) : ("rejected" as const), by, note };
    }
    await ctx.step("give-up", ({ log }) => log("warn", "nobody has answered", { expense: expense.id }));
    return { id: expense.id, status: "expired" as const, by: null, note: `asked ${expense.approvers.join(", ")}` };
  },
);

type Asking = Ctx<unknown, { decision: typeof Decision }>;

/** What one person says; null: nothing. Nobody decides about their own expense. */
async function ask(ctx: Asking, expense: Expense, approver: string): Promise<Decision | null> {
  const match = ({ by }: Decision) => by !== expense.by;
  await ctx.step("ask", ({ log }) => log("info", "please decide", { expense: expense.id, approver }));
  const early = await ctx.waitFor("decision", { timeout: expense.reminder, match });
  if (early !== null) return early;
  await ctx.step("remind", ({ log }) => log("info", "please decide soon", { expense: expense.id, approver }));
  return await ctx.waitFor("decision", { timeout: expense.patience, match });
}

// ---- Clicks in Slack ----

const Click = z.object({
  type: z.literal("block_actions"),
  user: z.object({ username: z.string().min(1) }),
  actions: z.tuple([z.object({ action_id: z.enum(["approve", "reject"]), value: z.string().min(1) })]),
});

/** What Slack tells of a click on one of the buttons; null: it is about something else. */
function clickOf(delivery: WebhookDelivery): z.output<typeof Click> | null {
  const { payload } = delivery.form();
  try {
    return Click.parse(JSON.parse(payload ?? ""));
  } catch {
    return null;
  }
}

export const approvalHook = webhook({
  name: "approvals",
  scheme: slack({ secrets: () => secret("SLACK_SIGNING_SECRET", "varve-development") }),
  signal: {
    name: "decision",
    run: (delivery) => clickOf(delivery)?.actions[0].value ?? null,
    payload: (delivery) => {
      const click = clickOf(delivery);
      return { by: click?.user.username, approved: click?.actions[0].action_id === "approve" };
    },
  },
});

/** A well-known secret is for development only: in production a missing one makes the hook refuse to be served. */
function secret(name: string, development: string): string[] {
  const value = process.env[name];
  if (value !== undefined && value !== "") return [value];
  return process.env["NODE_ENV"] === "production" ? [] : [development];
}
