/** A workflow as others name it: enough to start its runs and to know what they come to. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { CheckedRules } from "./run-rules.ts";
import { checkName } from "./text.ts";

/** Any schema that follows Standard Schema: zod, valibot, arktype and others. */
export type Schema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>;

/** What signals a workflow takes, by name. */
export type SignalMap = Readonly<Record<string, Schema>>;

/** The version of a workflow that names none. */
export const DEFAULT_VERSION = "1";

/** A workflow by name and version. `Input` is what a start takes, `Output` what a run comes to, `Sent` its signals by name. */
export interface WorkflowRef<Input = unknown, Output = unknown, Sent = Readonly<Record<string, unknown>>> {
  readonly name: string;
  readonly version: string;
  /** Checks the input once, at the start; what it makes of it is recorded. */
  readonly input: Schema | undefined;
  /** Checks the output once, at the end; what it makes of it is recorded. */
  readonly output: Schema | undefined;
  /** Checks the payloads of signals when they are sent. Undefined: any name and payload is taken. */
  readonly signals?: SignalMap | undefined;
  /** How many of its runs are worked on at once, and in which order. Undefined: all of them. */
  readonly rules?: CheckedRules | undefined;
  /** Only for the compiler. */
  readonly types?: {
    readonly takes: (input: Input) => void;
    readonly output: Output;
    readonly sent: (payloads: Sent) => void;
  };
}

/**
 * Checks a workflow's name and version.
 *
 * @throws DefinitionError `NAME_INVALID`
 */
export function checkProgramId(name: unknown, version: unknown = DEFAULT_VERSION): { name: string; version: string } {
  return {
    name: checkName("the name of a workflow", name),
    version: checkName(`the version of workflow "${name}"`, version),
  };
}
