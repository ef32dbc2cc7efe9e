/** The log in a libSQL database: `LogStore` over this folder's functions. */
import type { LogStore } from "../port.ts";
import type { ApiKeyRow } from "../port-api-keys.ts";
import { listApiKeys, putApiKey } from "./api-keys.ts";
import { append } from "./append.ts";
import { strays } from "./audit.ts";
import * as claims from "./claim.ts";
import type { Database } from "./database.ts";
import * as deliveries from "./deliveries.ts";
import { getKeyed, getOperation, listKeyed, putKeyed } from "./keyed.ts";
import { listLocks, requestLock } from "./locks.ts";
import { messageStore } from "./messages.ts";
import { outgoingStore } from "./outgoing.ts";
import { readOutlook } from "./outlook.ts";
import { passOver } from "./patience.ts";
import { countPlaces, getLine, listLines, listPlaces, setLine } from "./places.ts";
import * as reads from "./read.ts";
import { reopen } from "./reopen.ts";
import * as schedules from "./schedules.ts";

/** The log in `db`, which must have been migrated. */
export function libsqlStore(db: Database): LogStore {
  return {
    exclusive: db.kind === "owned-file",
    localClock: !db.isRemote,
    changed: () => db.changed(),
    now: () => claims.now(db),
    append: (write) => append(db, write),
    openWorker: (worker, leaseMs, programs, queues) => claims.openWorker(db, worker, leaseMs, programs, queues),
    heartbeat: (worker, leaseMs) => claims.heartbeat(db, worker, leaseMs),
    disown: (worker, turn, known) => claims.disown(db, worker, turn, known),
    closeWorker: (worker, options) => claims.closeWorker(db, worker, options),
    listWorkers: () => claims.listWorkers(db),
    claim: (request) => claims.claim(db, request),
    load: (list) => reads.load(db, list),
    workAhead: (worker, programs, queues) => claims.workAhead(db, worker, programs, queues),
    passOver: (request) => passOver(db, request),
    releaseStuck: (programs) => claims.releaseStuck(db, programs),
    reopen: (request) => reopen(db, request),
    getKeyed: (scope, key) => getKeyed(db, scope, key),
    getOperation: (operation) => getOperation(db, operation),
    listKeyed: (scope, page) => listKeyed(db, scope, page),
    putKeyed: (put) => putKeyed(db, put),
    requestLock: (request) => requestLock(db, request),
    listLocks: (page) => listLocks(db, page),
    ...messageStore(db),
    listPlaces: (page) => listPlaces(db, page),
    countPlaces: (line) => countPlaces(db, line),
    getLine: (line) => getLine(db, line),
    listLines: (page) => listLines(db, page),
    setLine: (setting) => setLine(db, setting),
    readOutlook: (runs) => readOutlook(db, runs),
    getRun: (runId) => reads.getRun(db, runId),
    listRuns: (filter, page) => reads.listRuns(db, filter, page),
    strays: () => strays(db),
    runWindow: (filter, page) => reads.runWindow(db, filter, page),
    listLoggedRuns: (page) => reads.listLoggedRuns(db, page),
    readHistory: (runId, page) => reads.readHistory(db, runId, page),
    readLog: (page) => reads.readLog(db, page),
    lastPosition: () => reads.lastPosition(db),
    readInbox: (runIds) => reads.readInbox(db, runIds),
    decideDelivery: (verdict) => deliveries.decideDelivery(db, verdict),
    getDecided: (id) => deliveries.getDecided(db, id),
    getDelivery: (id) => deliveries.getDelivery(db, id),
    lastReplay: (hook, deliveryId) => deliveries.lastReplay(db, hook, deliveryId),
    listDeliveries: (filter, page) => deliveries.listDeliveries(db, filter, page),
    pruneDeliveries: (request) => deliveries.pruneDeliveries(db, request),
    putApiKey: (key: ApiKeyRow) => putApiKey(db, key),
    listApiKeys: () => listApiKeys(db),
    createSchedule: (schedule) => schedules.createSchedule(db, schedule),
    getSchedule: (id) => schedules.getSchedule(db, id),
    listSchedules: (page) => schedules.listSchedules(db, page),
    changeSchedule: (change) => schedules.changeSchedule(db, change),
    deleteSchedule: (id) => schedules.deleteSchedule(db, id),
    schedulesAhead: (workflows, limit) => schedules.schedulesAhead(db, workflows, limit),
    listFirings: (filter, page) => schedules.listFirings(db, filter, page),
    getFiring: (id, lane, at) => schedules.getFiring(db, id, lane, at),
    ...outgoingStore(db),
    close: () => db.close(),
  };
}
