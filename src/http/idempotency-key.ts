import { ValidationError } from "../kernel/errors.ts";
import { nameSchema } from "./wire.ts";

/**
 * The key under which a request is done once: from the field `name` of its body, or from its header.
 *
 * @throws ValidationError `REQUEST_INVALID`
 */
export function idempotencyKeyOf(request: Request, name: string, field: string | undefined): string | undefined {
  const header = request.headers.get("idempotency-key") ?? undefined;
  if (header === undefined || header === field) return field;
  if (field === undefined && nameSchema.safeParse(header).success) return header;
  throw new ValidationError(
    "REQUEST_INVALID",
    `expected the header Idempotency-Key to be a text of 1 to 256 characters, the same as ${name} of the body if both are given`,
  );
}
