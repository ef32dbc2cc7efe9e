export type FaultKind =
  | "drop-request"
  | "drop-reply"
  | "hang-request"
  | "hang-reply"
  | "delay"
  | "duplicate"
  | "status";

export type Fault = FaultEffect & {
  /** Which request it hits, by its body. @default the next one */
  readonly match?: (body: string) => boolean;
};

type FaultEffect =
  /** The connection is cut before the request reaches the server. */
  | { readonly kind: "drop-request" }
  /** The server answers and what it did stays done, but the connection is cut before the reply is sent. */
  | { readonly kind: "drop-reply" }
  /** The request never reaches the server, and the connection stays open: the client hears nothing. */
  | { readonly kind: "hang-request" }
  /** The server answers and what it did stays done, and the connection stays open without the reply. */
  | { readonly kind: "hang-reply" }
  /** The request reaches the server later. */
  | { readonly kind: "delay"; readonly ms: number }
  /** The server gets the request twice, one after the other; the second reply is returned. */
  | { readonly kind: "duplicate" }
  /** The request is answered by the proxy, with this HTTP status. */
  | { readonly kind: "status"; readonly status: number };

export interface FaultProxyOptions {
  /** The address of the server. */
  readonly target: string;
  /** @default 0: any free port */
  readonly port?: number;
}

export interface FaultProxy {
  readonly url: string;
  /** How often each kind was applied. */
  readonly applied: Readonly<Record<FaultKind, number>>;
  /** Planned faults that have hit no request yet. */
  readonly pending: number;
  /** Applies the fault to the next pipeline request that it matches; resolves when the server has done its part. */
  plan(fault: Fault): Promise<void>;
  /** Cuts every connection, and every new one until it is called with `false`. */
  partition(on: boolean): void;
  close(): Promise<void>;
}

/** Stands between a client and a libSQL server and breaks what passes, as planned. */
export function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy>;
