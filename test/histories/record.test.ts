/**
 * Compares what the examples record today with the files of `v1/`. With `npm run histories` it writes the files that are
 * missing, and only those.
 */
import { beforeEach, describe, expect, it } from "vitest";
import {
  isRecorded,
  record,
  recordedNames,
  recordedText,
  recordings,
  standIn,
  textOf,
  writeNew,
} from "../support/histories.ts";

beforeEach(() => standIn());

const isRecording = process.env["VARVE_RECORD"] === "1";

describe("a history that is recorded anew", () => {
  for (const recording of recordings) {
    it(`is the one on file, to the byte: ${recording.name}`, async () => {
      const text = textOf(await record(recording));
      if (isRecording && !isRecorded(recording.name)) writeNew(recording.name, text);
      const advice =
        "the engine or the example writes another history than before; if that is meant, move the old file to a name " +
        "of its own (it is replayed for ever) and record with `npm run histories`";
      expect(text, advice).toBe(recordedText(recording.name));
    });
  }

  it("has a name of its own, and none is lost", () => {
    const names = recordings.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(recordedNames()).toEqual(expect.arrayContaining(names));
  });
});
