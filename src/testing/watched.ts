/** A workflow whose step bodies somebody watches, or replaces. What the engine and the code do stays the same. */

import { stepContext } from "../ctx/step.ts";
import type { StepContext } from "../ctx/step-options.ts";
import { type Workflow, wrapWorkflow } from "../ctx/workflow.ts";
import type { Body, LiveCall, Program, Recorder } from "../worker/recorder.ts";

/** A body that is about to run: what its step says of itself. */
export interface WatchedBody {
  readonly runId: string;
  readonly key: string;
  readonly attempt: number;
  readonly timeoutMs: number | null;
}

export interface BodyWatcher {
  /** Runs a body, or not. What it returns is what the body returns. `step`: what the body is given. */
  readonly body: (body: WatchedBody, run: () => unknown, step: StepContext) => unknown;
  /** The code is given what a step came to. */
  readonly given: (runId: string, key: string, value: unknown) => void;
}

type AnyWorkflow = Workflow<never, unknown, never, never>;

/** `workflow` with `watcher` around the bodies of its steps. */
export function watched(workflow: AnyWorkflow, watcher: BodyWatcher): AnyWorkflow {
  return wrapWorkflow(
    workflow,
    (run: Program["run"]): Program["run"] =>
      (recorder, input) =>
        run(over(recorder, { ask: (request) => recorder.ask(watchedRequest(request, watcher)) }), input),
  );
}

type Request = Parameters<Recorder["ask"]>[0];

function watchedRequest(request: Request, watcher: BodyWatcher): Request {
  if (request.kind !== "step") return request;
  return {
    ...request,
    live: (call) => request.live(over(call, { runBody: (body) => call.runBody(watchedBody(call, body, watcher)) })),
    given: (outcome, call) => {
      const settlement = request.given(outcome, call);
      if (settlement.kind === "resolve") watcher.given(call.run.id, call.key, settlement.value);
      return settlement;
    },
  };
}

function watchedBody(call: LiveCall, body: Body, watcher: BodyWatcher): Body {
  const { attempt, timeoutMs } = body;
  const { run, key } = call;
  const about = { runId: run.id, key, attempt, timeoutMs };
  return {
    ...body,
    run: (surroundings) => watcher.body(about, () => body.run(surroundings), stepContext(call, attempt, surroundings)),
  };
}

/** `target`, but for what `other` has. */
export function over<T extends object>(target: T, other: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      if (Object.hasOwn(other, name)) return other[name as keyof T];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
