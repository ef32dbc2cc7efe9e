/**
 * For tests of workflows: an engine in virtual time with steps mocked and crashes where they are wanted, recorded histories
 * against the code, and simulations of everything that can go wrong. Works in any runner of tests.
 *
 * @example
 * import { fails, returns, simulate, testEngine } from "varve/testing";
 *
 * const t = await testEngine({ workflows: [fulfil], steps: { charge: fails(2, new Error("503"), returns("ch_1")) } });
 * const run = await t.start(fulfil, { id: "o-1" });
 * await run.result(); // two days of "cool-off", in milliseconds
 *
 * await simulate(fulfil, { seeds: 200, setup: (sim) => ({ input: { id: "o-1" }, env: fakeShop(sim) }) });
 */
export type { StepCall, StepCallEnd } from "./calls.ts";
export type { CrashPoint } from "./crash-points.ts";
export type { SimulationFailure } from "./failed.ts";
export { SimulationFailedError } from "./failed.ts";
export type { HeldStep, MockedBody, StepMock } from "./mock.ts";
export { fails, hangs, held, realTime, returns, takes } from "./mock.ts";
export type { LoggedLine } from "./process.ts";
export type { RecordedHistory } from "./recorded.ts";
export type { ReplayReport } from "./replay-history.ts";
export { replayHistory } from "./replay-history.ts";
export type { SimulationReport } from "./report.ts";
export { simulate } from "./simulate.ts";
export type { Seeds, SimulatedCase, SimulatedMessage, SimulatedRun, SimulateOptions } from "./simulate-options.ts";
export { snapshotOf } from "./snapshot.ts";
export type { TestEngine } from "./test-engine.ts";
export { testEngine } from "./test-engine.ts";
export type { TestEngineOptions } from "./test-engine-options.ts";
export type { HappenedFault, SimulatedFault } from "./trouble.ts";
export type { SimulatedWorld } from "./world.ts";
