/** The log as a process of a simulation sees it: far away, over a way on which anything can happen. */
import { StoreError } from "../kernel/errors.ts";
import type { LogStore } from "../log/port.ts";
import type { Agenda } from "./agenda.ts";
import type { FaultKind, Faults } from "./faults.ts";
import type { Prng } from "./prng.ts";
import type { SimulatedProcess } from "./process.ts";

type Methods = { readonly [K in keyof LogStore]: LogStore[K] extends (...args: never[]) => unknown ? K : never };

/** A method of the store: a place where a call can fail. */
export type Site = Exclude<Methods[keyof LogStore], "close">;

/** All of them; the compiler holds the list to the port. */
export const SITES = Object.keys({
  now: 0,
  changed: 0,
  append: 0,
  openWorker: 0,
  heartbeat: 0,
  closeWorker: 0,
  listWorkers: 0,
  claim: 0,
  disown: 0,
  load: 0,
  workAhead: 0,
  passOver: 0,
  releaseStuck: 0,
  getRun: 0,
  listRuns: 0,
  runWindow: 0,
  strays: 0,
  listLoggedRuns: 0,
  readHistory: 0,
  readLog: 0,
  lastPosition: 0,
  readInbox: 0,
  decideDelivery: 0,
  getDecided: 0,
  getDelivery: 0,
  lastReplay: 0,
  listDeliveries: 0,
  pruneDeliveries: 0,
  putApiKey: 0,
  listApiKeys: 0,
  reopen: 0,
  getKeyed: 0,
  getOperation: 0,
  listKeyed: 0,
  putKeyed: 0,
  requestLock: 0,
  listLocks: 0,
  createSchedule: 0,
  getSchedule: 0,
  listSchedules: 0,
  changeSchedule: 0,
  deleteSchedule: 0,
  schedulesAhead: 0,
  listFirings: 0,
  getFiring: 0,
  holdEndpoint: 0,
  releaseEndpoint: 0,
  planNotices: 0,
  pendingNotices: 0,
  settleNotices: 0,
  retryNotices: 0,
  enableEndpoint: 0,
  listEndpoints: 0,
  listNotices: 0,
  publishMessage: 0,
  putSubscriptions: 0,
  dispatchAhead: 0,
  listWaits: 0,
  readCreated: 0,
  dispatchMessage: 0,
  readGathered: 0,
  fireGathering: 0,
  requestWait: 0,
  openWait: 0,
  giveMessage: 0,
  expireWait: 0,
  lookBack: 0,
  endsAhead: 0,
  publishEnds: 0,
  listMessages: 0,
  getMessage: 0,
  listDispatches: 0,
  sweepMessages: 0,
  listPlaces: 0,
  countPlaces: 0,
  getLine: 0,
  listLines: 0,
  setLine: 0,
  readOutlook: 0,
} satisfies Record<Site, 0>) as Site[];

/** A call that has had its effect. */
export interface Effect {
  readonly proc: SimulatedProcess;
  readonly site: Site;
  readonly args: readonly unknown[];
  readonly result: unknown;
}

export interface StoreSurroundings {
  readonly agenda: Agenda;
  readonly faults: Faults;
  /** The store itself. Its calls must settle within microtasks. */
  readonly truth: LogStore;
  readonly prng: Prng;
  /** The longest that a call takes each way when nothing is wrong, milliseconds. */
  readonly latencyMsMax: number;
  /** Whether one process alone has the store, as it has a file that it owns. */
  readonly exclusive: boolean;
  /** Called in the task of the effect. */
  readonly happened: (effect: Effect) => void;
  /** A write is sent; what it returns is called when it has its answer. */
  readonly writes: () => () => void;
  /** A fault has killed the process. */
  readonly crash: (proc: SimulatedProcess) => void;
}

/** The client gives up so long after it has sent a request, as that of a server does. */
const CALL_MS_MAX = 10_000;

/** A late request arrives so long after that. */
const LATE_MS_MAX = 60_000;

/** A slow answer takes up to so long. */
const SLOW_MS_MAX = 8_000;

const ERRORS: Readonly<Partial<Record<FaultKind, readonly [code: string, message: string]>>> = {
  busy: ["STORE_BUSY", "the database is locked"],
  full: ["STORE_FULL", "the disk is full"],
  "io-error": ["STORE_IO", "the disk failed"],
};

/** What `process` sees of the store. */
export function simulatedStore(proc: SimulatedProcess, surroundings: StoreSurroundings): LogStore {
  const latencies = surroundings.prng.stream(`latency/${proc.name}`);
  const calls = SITES.map((site) => [site, (...args: unknown[]) => call(proc, surroundings, latencies, site, args)]);
  const { exclusive } = surroundings;
  return { ...Object.fromEntries(calls), exclusive, localClock: exclusive, close: async () => {} } as LogStore;
}

function call(
  proc: SimulatedProcess,
  { agenda, faults, truth, latencyMsMax, happened, crash, writes, exclusive }: StoreSurroundings,
  latencies: Prng,
  site: Site,
  args: readonly unknown[],
): Promise<unknown> {
  const fault = proc.isDead ? null : faults.decide(proc.name, site);
  const way = () => latencies.float() * latencyMsMax;
  if (fault === "crash-before") crash(proc);
  if (proc.isDead) return new Promise(() => {});
  const written = site === "append" ? writes() : () => {};
  return new Promise((resolve, rejected) => {
    const reject = (error: unknown) => {
      written();
      rejected(error);
    };
    const unanswered = () => reject(new StoreError("STORE_UNAVAILABLE", "no answer came", { retry: true }));
    const slowMs = fault === "slow-reply" ? latencies.float() * SLOW_MS_MAX : 0;
    const answer = (settle: () => void) => {
      proc.after(way() + slowMs, () => {
        if (fault === "crash-at-reply") crash(proc);
        else settle();
      });
    };
    const effect = (isAnswered: boolean) => {
      // A file's call is made by the process itself.
      if (exclusive && proc.isDead) return;
      const method = truth[site] as (...args: readonly unknown[]) => Promise<unknown>;
      method.call(truth, ...args).then(
        (result) => {
          happened({ proc, site, args, result });
          if (fault === "crash-after") crash(proc);
          if (!isAnswered) return;
          answer(() => {
            written();
            resolve(result);
          });
        },
        (error: unknown) => {
          if (isAnswered) answer(() => reject(error));
        },
      );
    };
    const refusal = fault === null ? undefined : ERRORS[fault];
    if (refusal !== undefined) answer(() => reject(new StoreError(...refusal, { retry: true })));
    else if (fault === "lost-request" || fault === "lost-reply" || fault === "late-request") {
      if (fault === "lost-reply") agenda.after(way(), () => effect(false));
      if (fault === "late-request") agenda.after(CALL_MS_MAX + latencies.float() * LATE_MS_MAX, () => effect(false));
      // Half of all broken connections are noticed at once.
      proc.after(latencies.chance(0.5) ? way() * 2 : CALL_MS_MAX, unanswered);
    } else {
      agenda.after(way(), () => effect(true));
      if (fault === "duplicate") agenda.after(way() + latencies.float() * CALL_MS_MAX, () => effect(false));
    }
  });
}
