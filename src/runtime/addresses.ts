/** What a host's name comes to in a process: as the platform's own requests resolve it. */
import { lookup } from "node:dns/promises";

export async function addressesOf(host: string): Promise<string[]> {
  const found = await lookup(host.replace(/^\[|\]$/g, ""), { all: true });
  return found.map(({ address }) => address);
}
