/** Expressions in a user's code: the one form in which they are written, wherever one is taken. */
import type { RunExpression } from "../kernel/run-expression.ts";
import { compileExpression, compileKey, compileNumber, compileRunKey, type Judgement } from "./expression.ts";
import type { DeliveryCondition, DeliveryExpression, WebhookDelivery } from "./hook.ts";
import { MESSAGE_ONLY, type MessageExpression } from "./message-expression.ts";

const FORM = /^application\/x-www-form-urlencoded\b/i;

/**
 * An expression in CEL, for a hook's filter, for the limits of a workflow, and for the messages that are meant by a
 * subscription, a `cancelOn` or a wait. It is checked where it is given: what it may use depends on that, and a wrong one is
 * refused with `EXPRESSION_INVALID`, the position and a hint. A plain text in its place is refused too.
 *
 * - As a hook's `filter` it is true or false of `headers` (by lower-case name), `body` (the value of JSON, the fields of a
 *   form), `hook` and `id`. A field that is missing makes it false.
 * - As a key, a priority or a weight of a workflow's limits it is a text, a number or a truth value, of `input`. A key that
 *   is null has nothing in common with others. A field that is missing makes the start fail with `LIMIT_KEY_INVALID`.
 * - As the `match` of a subscription it is true or false of `message` (`topic`, `id`, `payload`, `at`, `tags`); as that of
 *   `cancelOn` or of `ctx.waitForMessage` of `message` and `run` (`id`, `workflow`, `input`, `tags`). A field that is missing
 *   makes it false. As the `key` of a debounce or a batch it is a text, a number or a truth value, of `message`; a message
 *   without it is recorded as `invalid`.
 *
 * @example filter: cel('headers["x-github-event"] == "issues" && body.action in ["opened", "reopened"]')
 * @example concurrency: { key: cel("has(input.customer) ? input.customer : null"), limit: 2 }
 * @example on: [{ topic: "orders.paid", match: cel("message.payload.total > 100") }]
 */
export function cel(text: string): DeliveryExpression & RunExpression & MessageExpression {
  return {
    text,
    ofDelivery: (what) => conditionOf(text, what),
    keyOfInput: (what) => {
      const expression = compileRunKey(text, { variables: ["input"], what });
      return (input) => valueFrom(text, expression.judge({ input })).key;
    },
    numberOfInput: (what) => {
      const expression = compileNumber(text, { variables: ["input"], what });
      return (input) => valueFrom(text, expression.judge({ input }));
    },
    conditionOfMessage: (what, variables) => compileExpression(text, { variables, what }).text,
    keyOfMessage: (what) => compileKey(text, { variables: MESSAGE_ONLY, what }).text,
  };
}

function conditionOf(text: string, what: string): DeliveryCondition {
  const condition = compileExpression(text, { variables: ["headers", "body", "hook", "id"], what });
  return {
    text,
    objection: (delivery) => {
      const { headers, hook, id } = delivery;
      const judged = condition.judge({ headers, body: bodyValue(delivery), hook, id });
      if (judged.kind !== "value") return judged.message;
      return judged.value ? null : "it is false";
    },
  };
}

function bodyValue(delivery: WebhookDelivery): unknown {
  return FORM.test(delivery.headers["content-type"] ?? "") ? delivery.form() : delivery.json();
}

/** @throws Error that says why it has none */
function valueFrom<T>(text: string, judged: Judgement<T>): T {
  if (judged.kind === "value") return judged.value;
  const hint = judged.kind === "missing" ? "; has(input.a) ? input.a : null is for what may be missing" : "";
  throw new Error(`${judged.message} (in ${text})${hint}`);
}
