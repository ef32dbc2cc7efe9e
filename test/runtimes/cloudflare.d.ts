/** What the tests use of workerd's own module. */
declare module "cloudflare:workers" {
  /** The bindings of the Worker. */
  export const env: Readonly<Record<string, string>>;
  /** Lets the request go on with `work` after its answer, and after its client has gone. */
  export function waitUntil(work: Promise<unknown>): void;
}
