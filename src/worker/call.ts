/** One call of `ctx` that the code waits for. */
import type { Payload } from "../kernel/codec.ts";
import type { EventData, EventType } from "../kernel/events.ts";
import type { CallState, ReceivedSignal } from "../kernel/state.ts";
import type { Body, CallRequest, LiveCall, NewChild, Operation, QueueSlot, RunFacts } from "./recorder.ts";
import { Scope } from "./scope.ts";

/** What a call needs of its run. */
export interface CallHost {
  readonly run: RunFacts;
  clock(): number;
  random(): number;
  encode(value: unknown): Payload;
  callState(call: Call): CallState;
  /** Whether a cancel was asked for that reaches the call. */
  isCancelled(call: Call): boolean;
  record<T extends EventType>(call: Call, type: T, attempt: number | null, data: EventData[T]): void;
  conclude<T extends EventType>(call: Call, type: T, attempt: number | null, data: EventData[T]): void;
  mayBegin(call: Call, timeoutMs: number | null): boolean;
  runBody(call: Call, body: Body): void;
  operate<T>(call: Call, operation: Operation<T>): void;
  enterQueue(call: Call, slot: QueueSlot, granted: () => void): void;
  leaveQueue(call: Call, attempt: number): void;
  /** The call waits for time from now on. */
  waiting(): void;
  signals(name: string): readonly ReceivedSignal[];
  signal(seq: number): ReceivedSignal;
  childId(key: string): string | null;
  startRun(call: Call, child: NewChild, record: (runId: string) => void): void;
  versionOf(workflow: string): string | null;
  /** Returns whether anything was open in the scope that the call stands for. */
  closeScope(call: Call): boolean;
}

export class Call implements LiveCall {
  readonly request: CallRequest;
  readonly key: string;
  readonly promise: Promise<unknown>;
  resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;
  /** Its scope has concluded: nobody waits for it, and nothing more is recorded of it but what comes late. */
  isClosed = false;
  /** Its scope is closed, and had calls that were open. */
  leavesOpen = false;
  /** Of a scope: children and queued steps within that nobody waits for any more; null: none are known. */
  left: Call[] | null = null;
  /** The instant it waits for; null if for something else. */
  waitsUntil: number | null = null;
  #due: (() => void) | null = null;
  #listener: ((signal: ReceivedSignal) => boolean) | null = null;
  #waitsForMail = false;
  #opened: Scope | null = null;
  readonly #host: CallHost;

  constructor(host: CallHost, request: CallRequest, key: string) {
    this.#host = host;
    this.request = request;
    this.key = key;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.#reject = reject;
    });
  }

  reject(error: unknown): void {
    // A call that nobody awaits may fail: that is recorded and reported, and must not end the process.
    this.promise.catch(ignore);
    this.#reject(error);
  }

  get run(): RunFacts {
    return this.#host.run;
  }

  get state(): CallState {
    return this.#host.callState(this);
  }

  get isBegun(): boolean {
    const { firstSeq, status } = this.state;
    return firstSeq > 0 && status !== "void";
  }

  get isCancelled(): boolean {
    return this.#host.isCancelled(this);
  }

  now(): number {
    return this.#host.clock();
  }

  random(): number {
    return this.#host.random();
  }

  encode(value: unknown): Payload {
    return this.#host.encode(value);
  }

  record<T extends EventType>(type: T, attempt: number | null, data: EventData[T]): void {
    this.#host.record(this, type, attempt, data);
  }

  conclude<T extends EventType>(type: T, attempt: number | null, data: EventData[T]): void {
    this.#host.conclude(this, type, attempt, data);
  }

  waitUntil(dueAt: number, fn: () => void): void {
    this.waitsUntil = dueAt;
    this.#due = fn;
    this.#host.waiting();
  }

  /** Calls what waits for time, if its time has come. */
  fire(now: number): void {
    if (this.waitsUntil === null || this.waitsUntil > now) return;
    const due = this.#due;
    this.waitsUntil = null;
    this.#due = null;
    due?.();
  }

  mayBegin(timeoutMs: number | null): boolean {
    return this.#host.mayBegin(this, timeoutMs);
  }

  runBody(body: Body): void {
    // Whoever stood in line has had its turn.
    this.#waitsForMail = false;
    this.#host.runBody(this, body);
  }

  operate<T>(operation: Operation<T>): void {
    // Its answer says for what it waits, if for anything.
    this.#waitsForMail = false;
    this.#host.operate(this, operation);
  }

  enterQueue(slot: QueueSlot, granted: () => void): void {
    this.#host.enterQueue(this, slot, granted);
  }

  leaveQueue(attempt: number): void {
    this.#host.leaveQueue(this, attempt);
  }

  openScope(): Scope {
    this.#opened = new Scope(this.key, this.isShielded);
    return this.#opened;
  }

  /** Of a scope: nobody waits any more for what this call within it comes to. */
  leave(call: Call): void {
    const { kind, isQueued } = call.request;
    const calls = kind === "child" || isQueued === true ? [call] : (call.left ?? []);
    if (calls.length === 0) return;
    this.left ??= [];
    for (const each of calls) this.left.push(each);
  }

  closeScope(): void {
    this.#opened?.end();
    this.leavesOpen = this.#host.closeScope(this);
  }

  signals(name: string): readonly ReceivedSignal[] {
    return this.#host.signals(name);
  }

  signal(seq: number): ReceivedSignal {
    return this.#host.signal(seq);
  }

  listen(fn: (signal: ReceivedSignal) => boolean): void {
    this.#listener = fn;
    this.#host.waiting();
  }

  waitForMail(): void {
    this.#waitsForMail = true;
    this.#host.waiting();
  }

  /** Whether it has taken a signal that came in. */
  receive(signal: ReceivedSignal): boolean {
    const listener = this.#listener;
    if (listener?.(signal) !== true) return false;
    this.#listener = null;
    return true;
  }

  /** Whether something other than the code can settle it: time, or what comes in. */
  get canBeMoved(): boolean {
    return this.waitsUntil !== null || this.#listener !== null || this.#waitsForMail;
  }

  /** Whether a cancel does not reach it. */
  get isShielded(): boolean {
    const { scope, isShield } = this.request;
    return scope.isShielded || isShield === true;
  }

  get childId(): string | null {
    return this.#host.childId(this.key);
  }

  startRun(child: NewChild, record: (runId: string) => void): void {
    this.#host.startRun(this, child, record);
  }

  versionOf(workflow: string): string | null {
    return this.#host.versionOf(workflow);
  }
}

function ignore(): void {}
