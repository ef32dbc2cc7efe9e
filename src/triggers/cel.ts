/** Expressions in a user's code. Apart from what takes them, so that only who writes one has the language in its bundle. */
import type { RunExpression } from "../kernel/run-expression.ts";
import { compileExpression, compileNumber, compileRunKey, type Judgement } from "./expression.ts";
import type { DeliveryCondition, DeliveryExpression, WebhookDelivery } from "./hook.ts";

const FORM = /^application\/x-www-form-urlencoded\b/i;

/**
 * An expression in CEL, for a hook's filter or for the limits of a workflow. It is checked where it is given: what it may
 * use depends on that, and a wrong one is refused with `EXPRESSION_INVALID`, the position and a hint.
 *
 * - As a hook's `filter` it is true or false of `headers` (by lower-case name), `body` (the value of JSON, the fields of a
 *   form), `hook` and `id`. A field that is missing makes it false.
 * - As a key, a priority or a weight of a workflow's limits it is a text, a number or a truth value, of `input`. A key that
 *   is null has nothing in common with others. A field that is missing makes the start fail with `LIMIT_KEY_INVALID`.
 *
 * @example filter: cel('headers["x-github-event"] == "issues" && body.action in ["opened", "reopened"]')
 * @example concurrency: { key: cel("has(input.customer) ? input.customer : null"), limit: 2 }
 */
export function cel(text: string): DeliveryExpression & RunExpression {
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
