/** `ctx.child` and `ctx.start`: runs that a run starts. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { assert } from "../kernel/assert.ts";
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError, NotFoundError, RunCancelledError, RunFailedError } from "../kernel/errors.ts";
import type { RunEvent, Tags } from "../kernel/events.ts";
import { fromFailure, toFailure } from "../kernel/failure.ts";
import { checkTags, NO_TAGS } from "../kernel/tags.ts";
import { checkName } from "../kernel/text.ts";
import { validateNow } from "../kernel/validate.ts";
import type { Schema, WorkflowRef } from "../kernel/workflow-ref.ts";
import type { CallRequest, LiveCall, NewChild, ScopeHandle, Settlement } from "../worker/recorder.ts";
import { rejected, resolved } from "./settle.ts";

/** What a run that another run starts may be given. */
export interface ChildStartOptions {
  /** What the call is called in the parent's keys. @default the workflow's name */
  readonly key?: string;
  /** For a workflow given by name: which version. @default the one that was registered last here */
  readonly version?: string;
  /** Labels for filters. @default none */
  readonly tags?: Tags;
  /** The child fails if it has not ended so long after its start. @default no bound */
  readonly deadline?: Duration;
}

export interface ChildOptions extends ChildStartOptions {
  /**
   * What becomes of the child when its parent is cancelled, ends or stops to wait for it: it is cancelled (`propagate`),
   * or goes on (`abandon`). @default "propagate"
   */
  readonly onCancel?: "propagate" | "abandon";
}

/** For a workflow that is known by its name only. */
export interface NamedChildOptions<Out extends Schema> extends ChildOptions {
  /** Any Standard Schema that answers at once: checks what the child comes to. */
  readonly output: Out;
}

/** A run that was started and that nobody waits for. */
export interface DetachedRun {
  readonly id: string;
}

type Options = ChildOptions & { readonly output?: StandardSchemaV1 };

/** What is to be started, found out when the call is made. */
interface Plan {
  readonly name: string;
  readonly child: (versionOf: (workflow: string) => string | null) => NewChild;
}

/** Asks for a child and its end. */
export function childRequest(
  scope: ScopeHandle,
  workflow: WorkflowRef | string,
  input: unknown,
  options: Options,
): CallRequest {
  const { name, child } = plan(workflow, input, options, true);
  const { onCancel = "propagate", output } = options;
  if (onCancel !== "propagate" && onCancel !== "abandon") {
    throw new DefinitionError(
      "OPTION_INVALID",
      `expected onCancel of child ${JSON.stringify(name)} to be "propagate" or "abandon", but found ${JSON.stringify(onCancel)}`,
    );
  }
  return {
    kind: "child",
    name,
    scope,
    live: (call) => follow(call, child, onCancel === "abandon"),
    given: (outcome, call) => endGiven(outcome, call, output),
  };
}

/** Asks for a run that goes on by itself. */
export function startRequest(
  scope: ScopeHandle,
  workflow: WorkflowRef | string,
  input: unknown,
  options: ChildStartOptions,
): CallRequest {
  const { name, child } = plan(workflow, input, options, false);
  return {
    kind: "start",
    name,
    scope,
    live: (call) => {
      attempt(call, "start.failed", () => {
        const start = child((asked) => call.versionOf(asked));
        const { version } = start;
        call.startRun(start, (runId) =>
          call.conclude("start.completed", null, { runId, workflow: start.workflow, version }),
        );
      });
    },
    given: (outcome) => {
      if (outcome.type === "start.failed") return rejected(fromFailure(outcome.data.error));
      assert(outcome.type === "start.completed", "a detached start comes to a run");
      return { kind: "resolve", value: { id: outcome.data.runId } };
    },
  };
}

/** Checks what does not depend on the moment. */
function plan(workflow: WorkflowRef | string, input: unknown, options: Options, isAwaited: boolean): Plan {
  const ref = typeof workflow === "string" ? null : workflow;
  const called = checkName("the name of a workflow", ref === null ? workflow : ref.name);
  const { key = called, tags, deadline, version } = options;
  const parsed = validateNow(`the input of workflow "${called}"`, ref?.input, input, "INPUT_INVALID");
  const rest = {
    workflow: called,
    input: parsed,
    tags: tags === undefined ? NO_TAGS : checkTags(tags),
    deadlineMs: deadline === undefined ? null : parseDuration(deadline),
    isAwaited,
  };
  return {
    name: key,
    child: (versionOf) => ({
      ...rest,
      version: ref?.version ?? version ?? versionOf(called) ?? unknownVersion(called),
    }),
  };
}

function unknownVersion(workflow: string): never {
  throw new NotFoundError(
    "WORKFLOW_UNKNOWN",
    `expected workflow ${JSON.stringify(workflow)} to be registered here, or its version to be given as an option, but found neither`,
    { name: workflow },
  );
}

function follow(call: LiveCall, child: Plan["child"], abandoned: boolean): void {
  if (call.childId === null) {
    attempt(call, "child.failed", () => {
      const start = child((workflow) => call.versionOf(workflow));
      const { workflow, version } = start;
      const data = abandoned ? ({ abandoned } as const) : {};
      call.startRun(start, (runId) => call.record("child.started", null, { runId, workflow, version, ...data }));
    });
  }
  call.waitForMail();
}

/** What cannot be started is the call's failure. */
function attempt(call: LiveCall, failure: "start.failed" | "child.failed", start: () => void): void {
  try {
    start();
  } catch (error) {
    call.conclude(failure, null, { error: toFailure(error) });
  }
}

function endGiven(outcome: RunEvent, call: LiveCall, output: StandardSchemaV1 | undefined): Settlement {
  switch (outcome.type) {
    case "child.completed": {
      const settlement = resolved(outcome.data);
      return output === undefined ? settlement : checked(settlement, call.key, output);
    }
    case "child.failed": {
      const cause = fromFailure(outcome.data.error);
      const message = `child "${call.key}" failed: ${cause.message}`;
      return rejected(new RunFailedError("CHILD_FAILED", message, { child: call.key }, { cause }));
    }
    default: {
      assert(outcome.type === "child.cancelled", "a child ends by completion, failure or cancel");
      const { reason } = outcome.data;
      const message = `child "${call.key}" was cancelled${reason === undefined ? "" : `: ${reason}`}`;
      return rejected(new RunCancelledError("CHILD_CANCELLED", message, { child: call.key, reason: reason ?? null }));
    }
  }
}

function checked(settlement: Settlement, key: string, output: StandardSchemaV1): Settlement {
  try {
    const value = settlement.kind === "resolve" ? settlement.value : undefined;
    return { kind: "resolve", value: validateNow(`the output of child "${key}"`, output, value, "OUTPUT_INVALID") };
  } catch (error) {
    return rejected(error);
  }
}
