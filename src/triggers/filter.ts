/** Filters of hooks as expressions. Apart from `hook.ts`, so that only who writes one has the language in its bundle. */
import { compileExpression } from "./expression.ts";
import type { DeliveryCondition, WebhookDelivery } from "./hook.ts";

const FORM = /^application\/x-www-form-urlencoded\b/i;

/**
 * A filter of a hook as an expression in CEL over `headers` (by lower-case name), `body` (the value of JSON, the fields of a
 * form), `hook` and `id`. A field that is missing makes it false.
 *
 * @throws DefinitionError `EXPRESSION_INVALID`, with the position and a hint
 * @example filter: cel('headers["x-github-event"] == "issues" && body.action in ["opened", "reopened"]')
 */
export function cel(text: string): DeliveryCondition {
  const variables = ["headers", "body", "hook", "id"];
  const condition = compileExpression(text, { variables, what: "the filter of a hook" });
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
