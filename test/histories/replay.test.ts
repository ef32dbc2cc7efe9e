import { beforeEach, describe, expect, it } from "vitest";
import type { StartedRun } from "../../src/engine/api-run.ts";
import { withoutConcluded } from "../sim/replay.ts";
import { changed } from "../support/examples.ts";
import {
  caseNamed,
  finish,
  type Recording,
  recordedNames,
  recordedText,
  restore,
  standIn,
} from "../support/histories.ts";
import { LEASE_MS, openLab } from "../support/lab.ts";

beforeEach(() => standIn());

const read = (name: string): Recording => JSON.parse(recordedText(name));

/** As `askedBy` would tell it of these events. */
function withoutClosed(asked: readonly string[], events: Recording["events"]): string[] {
  const rows = events.map(({ type, key, data }) => ({ type, key, data: JSON.stringify(data) }));
  return withoutConcluded(asked, rows);
}

/** Whether a run waits for another one, of which its own history knows the beginning only. */
function waitsForChild(events: Recording["events"]): boolean {
  const ended = new Set(events.filter(({ type }) => /^child\.[cf]/.test(type)).map(({ key }) => key));
  return events.some(({ type, key }) => type === "child.started" && !ended.has(key));
}

describe("every recorded history", () => {
  for (const name of recordedNames()) {
    it(`is replayed at each prefix: what is asked is a prefix of the whole, and the run completes (${name})`, async () => {
      const recording = read(name);
      const { runId, events, asked } = recording;
      const { workflow, expected, before, others = [], queues = {} } = caseNamed(recording.case);
      const workflows = [workflow, ...others];
      for (let count = 1; count < events.length; count++) {
        const when = `after ${count} of ${events.length} events`;
        const prefix = events.slice(0, count);
        const lab = openLab();
        await restore(lab, recording, count);

        // It dies at its first write, so all that it asks comes from the history, or from scopes that begin and end beyond
        // it: the code is given their outcomes before they are written, and of those side by side in an order of their own.
        const first = await lab.engine({ workflows, queues, dies: { append: 1, moment: "before" } });
        await lab.settle();
        const whole = withoutClosed(asked, prefix);
        const differs = first.askedBy(runId).findIndex((call, i) => call !== whole[i]);
        const replayed = differs < 0 ? first.askedBy(runId) : first.askedBy(runId).slice(0, differs);
        expect(asked, when).toEqual(expect.arrayContaining(first.askedBy(runId).slice(replayed.length)));
        const begun = prefix
          .flatMap(({ key }) => key ?? [])
          .filter((key) => asked.some((call) => call.endsWith(` ${key}`)));
        const askedKeys = replayed.map((call) => call.slice(call.indexOf(" ") + 1));
        const inConcluded = (key: string) => !whole.some((call) => call.endsWith(` ${key}`));
        expect(
          begun.filter((key) => !askedKeys.includes(key) && !inConcluded(key)),
          when,
        ).toEqual([]);
        expect(await lab.store.readHistory(runId, { afterSeq: 0, limit: 1_000 }), when).toHaveLength(count);
        first.kill();
        lab.clock.advance(LEASE_MS + 1_000);

        const second = await lab.engine({ workflows, queues });
        await before?.(second);
        if (waitsForChild(prefix)) continue;
        await finish(lab, workflow);
        expect(await second.run(runId).result({ timeout: 0 }), when).toMatchObject(expected);
        const texts = (await lab.history(runId)).map(({ type, key, attempt }) => `${type} ${key} ${attempt}`);
        expect(texts.slice(0, count), when).toEqual(
          prefix.map(({ type, key, attempt }) => `${type} ${key} ${attempt}`),
        );
      }
    });
  }

  it("asks all of it once it is there but for its end", async () => {
    for (const name of recordedNames()) {
      const recording = read(name);
      const lab = openLab();
      await restore(lab, recording, recording.events.length - 1);
      const { workflow, queues = {} } = caseNamed(recording.case);
      const engine = await lab.engine({ workflows: [workflow], queues });
      await lab.settle();
      expect(engine.asked, name).toEqual(withoutClosed(recording.asked, recording.events));
    }
  });
});

describe("a recorded history under changed code", () => {
  const changes: { what: string; name: string; events: number; rename: (name: string) => string; diff: string[] }[] = [
    {
      what: "the first of the parallel steps has another name",
      name: "github-triage",
      events: 12,
      rename: (name) => (name === "label" ? "add-labels" : name),
      diff: [
        '  - expected (event 7): ctx.step "label"',
        '  + found:    the code waiting for ctx.step "add-labels", ctx.step "find-owners", ctx.step "find-references"',
      ],
    },
    {
      what: "a step was renamed",
      name: "order-fulfilment",
      events: 6,
      rename: (name) => (name === "charge" ? "charge-card" : name),
      diff: ['  - expected (event 6): ctx.step "charge"', '  + found:    the code waiting for ctx.step "charge-card"'],
    },
    {
      what: "a sleep stands where a step was",
      name: "staged-rollout",
      events: 5,
      rename: (name) => ({ shift: "bake", bake: "shift" })[name] ?? name,
      diff: ['  - expected (the history): ctx.sleep "stage 1/bake"', '  + found:    ctx.step "stage 1/bake"'],
    },
    {
      what: "a scope has another name",
      name: "staged-rollout-interrupted",
      events: 9,
      rename: (name) => name.replace("stage ", "step "),
      diff: ['  - expected (event 2): ctx.scope "stage 1"', '  + found:    the code waiting for ctx.scope "step 1"'],
    },
  ];

  for (const { what, name, events, rename, diff } of changes) {
    it(`is stuck with a readable diff, appends nothing, and goes on with the code as it was: ${what}`, async () => {
      const recording = read(name);
      const { runId } = recording;
      const { workflow, expected } = caseNamed(recording.case);
      const lab = openLab();
      await restore(lab, recording, events);
      const wrong = await lab.engine({ workflows: [changed(workflow, { rename })] });
      await lab.settle();
      const status = await wrong.run(runId).status();
      expect(status).toMatchObject({ status: "stuck", stuck: { code: "REPLAY_DIVERGED" }, events });
      expect(status.stuck?.message.split("\n")).toEqual([
        `run ${runId} of ${recording.workflow}@1 cannot be replayed, so it is stuck and nothing was appended`,
        ...diff,
        "the workflow's code is not the one that wrote this history, or it decides by something that is not recorded; " +
          "restore the code, or register the change as a new version",
      ]);
      wrong.kill();
      lab.clock.advance(LEASE_MS + 1_000);
      const right = await lab.engine({ workflows: [workflow] });
      await finish(lab, workflow);
      expect(await (right.run(runId) as StartedRun).result({ timeout: 0 })).toMatchObject(expected);
    });
  }
});
