/** Hosts that are not out in the world: what may be asked of them by nobody who only names an address. */

/** Names that mean this machine or this network, wherever they are resolved. */
const NAMES = /^(?:localhost|.*\.(?:localhost|local|internal|home\.arpa))\.?$/i;

/** First address and length of prefix. Sources: the IANA registries of special-purpose addresses. */
const V4: readonly (readonly [first: string, bits: number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  // Multicast, reserved, broadcast.
  ["224.0.0.0", 3],
];

/** Global unicast; all else is for one machine, one network or many at once. */
const V6_GLOBAL = { first: 0x2000, mask: 0xe000 } as const;

/** Whether the host of a URL, as `URL` spells it, is private by its name or as an address. */
export function isPrivateHost(hostname: string): boolean {
  return NAMES.test(hostname) || isPrivateAddress(hostname.replace(/^\[|\]$/g, ""));
}

/** Whether `address` is an IP address of this machine or a private network; false also for what is no address. */
export function isPrivateAddress(address: string): boolean {
  const v4 = readV4(address);
  if (v4 !== null) return isPrivateV4(v4);
  const v6 = readV6(address);
  if (v6 === null) return false;
  const within = embeddedV4(v6);
  if (within !== null) return isPrivateV4(within);
  return ((v6[0] as number) & V6_GLOBAL.mask) !== V6_GLOBAL.first;
}

function isPrivateV4(address: number): boolean {
  return V4.some(([first, bits]) => address >>> (32 - bits) === (readV4(first) as number) >>> (32 - bits));
}

function readV4(text: string): number | null {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return null;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** The eight groups of an address; a zone such as `%eth0` is left out. */
function readV6(text: string): number[] | null {
  const plain = text.replace(/%.*$/, "");
  if (!/^[0-9a-f:.]+$/i.test(plain) || !plain.includes(":")) return null;
  const dotted = /^(.*:)([\d.]+)$/.exec(plain);
  const v4 = dotted?.[2]?.includes(".") === true ? readV4(dotted[2]) : null;
  const groups = v4 === null ? plain : `${dotted?.[1]}${(v4 >>> 16).toString(16)}:${(v4 & 0xffff).toString(16)}`;
  const [head = "", tail, ...more] = groups.split("::");
  const [before, after] = [readGroups(head), readGroups(tail ?? "")];
  if (before === null || after === null || more.length > 0) return null;
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 0) return null;
  return [...before, ...new Array<number>(missing).fill(0), ...after];
}

function readGroups(text: string): number[] | null {
  const groups = text === "" ? [] : text.split(":");
  return groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))
    ? groups.map((group) => Number.parseInt(group, 16))
    : null;
}

/** The IPv4 address that an IPv6 one stands for: mapped (`::ffff:`), translated (`64:ff9b::`), tunnelled (`2002:`). */
function embeddedV4(groups: readonly number[]): number | null {
  const at = (i: number) => (((groups[i] as number) << 16) | (groups[i + 1] as number)) >>> 0;
  const isZero = (from: number, to: number) => groups.slice(from, to).every((group) => group === 0);
  if (isZero(0, 5) && groups[5] === 0xffff) return at(6);
  if (groups[0] === 0x64 && groups[1] === 0xff9b && isZero(2, 6)) return at(6);
  return groups[0] === 0x2002 ? at(1) : null;
}
