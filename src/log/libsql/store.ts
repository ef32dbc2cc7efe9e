/** The log in a libSQL database: `LogStore` over this folder's functions. */
import type { ApiKeyRow, LogStore } from "../port.ts";
import { listApiKeys, putApiKey } from "./api-keys.ts";
import { append } from "./append.ts";
import * as claims from "./claim.ts";
import type { Database } from "./database.ts";
import { getKeyed, listKeyed, putKeyed } from "./keyed.ts";
import { listLocks, requestLock } from "./locks.ts";
import { countPlaces, getLine, listLines, listPlaces, setLine } from "./places.ts";
import * as reads from "./read.ts";
import { reopen } from "./reopen.ts";

/** The log in `db`, which must have been migrated. */
export function libsqlStore(db: Database): LogStore {
  return {
    exclusive: db.kind === "owned-file",
    localClock: !db.isRemote,
    changed: () => db.changed(),
    now: () => claims.now(db),
    append: (write) => append(db, write),
    openWorker: (worker, leaseMs, programs) => claims.openWorker(db, worker, leaseMs, programs),
    heartbeat: (worker, leaseMs) => claims.heartbeat(db, worker, leaseMs),
    disown: (worker, turn, known) => claims.disown(db, worker, turn, known),
    closeWorker: (worker, options) => claims.closeWorker(db, worker, options),
    listWorkers: () => claims.listWorkers(db),
    claim: (request) => claims.claim(db, request),
    load: (list) => reads.load(db, list),
    workAhead: (worker, programs) => claims.workAhead(db, worker, programs),
    releaseStuck: (programs) => claims.releaseStuck(db, programs),
    reopen: (request) => reopen(db, request),
    getKeyed: (scope, key) => getKeyed(db, scope, key),
    listKeyed: (scope, page) => listKeyed(db, scope, page),
    putKeyed: (put) => putKeyed(db, put),
    requestLock: (request) => requestLock(db, request),
    listLocks: (page) => listLocks(db, page),
    listPlaces: (page) => listPlaces(db, page),
    countPlaces: (line) => countPlaces(db, line),
    getLine: (line) => getLine(db, line),
    listLines: (page) => listLines(db, page),
    setLine: (setting) => setLine(db, setting),
    getRun: (runId) => reads.getRun(db, runId),
    listRuns: (filter, page) => reads.listRuns(db, filter, page),
    listLoggedRuns: (page) => reads.listLoggedRuns(db, page),
    readHistory: (runId, page) => reads.readHistory(db, runId, page),
    readLog: (page) => reads.readLog(db, page),
    lastPosition: () => reads.lastPosition(db),
    readInbox: (runIds) => reads.readInbox(db, runIds),
    getDelivery: (hook, deliveryId) => reads.getDelivery(db, hook, deliveryId),
    listDeliveries: (page) => reads.listDeliveries(db, page),
    putApiKey: (key: ApiKeyRow) => putApiKey(db, key),
    listApiKeys: () => listApiKeys(db),
    close: () => db.close(),
  };
}
