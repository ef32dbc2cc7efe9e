/**
 * For tests of workflows: lives through crashes, pauses and lost answers in virtual time.
 *
 * @example
 * import { simulate } from "varve/testing";
 *
 * await simulate(fulfil, { seeds: 200, setup: (sim) => ({ input: { id: "o-1" }, env: fakeShop(sim) }) });
 */
export type { SimulationFailure } from "./failed.ts";
export { SimulationFailedError } from "./failed.ts";
export type { RecordedHistory } from "./recorded.ts";
export type { ReplayReport } from "./replay-history.ts";
export { replayHistory } from "./replay-history.ts";
export type { SimulationReport } from "./report.ts";
export { simulate } from "./simulate.ts";
export type { Seeds, SimulatedCase, SimulatedRun, SimulateOptions } from "./simulate-options.ts";
export type { HappenedFault, SimulatedFault } from "./trouble.ts";
export type { SimulatedWorld } from "./world.ts";
