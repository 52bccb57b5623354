/** Client addresses, as limits and events count them. */

/** IPv4 as it is written but for leading zeros: most requests have one, and each asks three times. */
const PLAIN_V4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/**
 * The network that one client holds: an IPv4 address alone, an IPv6 address as its /64, since a client is
 * given at least that much. IPv4-mapped IPv6 counts as IPv4. Text that is no address counts as `unknown`.
 */
export function networkOf(address: string): string {
  if (PLAIN_V4.test(address)) return address;
  const parsed = parseAddress(address);
  if (parsed === null) return "unknown";
  return parsed.length === 4 ? parsed.join(".") : `${groups(parsed, 4)}::/64`;
}

/** An address after its first days: IPv4 as /24, IPv6 as /48. What is no address becomes `unknown/0`. */
export function shortenedAddress(address: string): string {
  if (PLAIN_V4.test(address)) return `${address.slice(0, address.lastIndexOf("."))}.0/24`;
  const parsed = parseAddress(address.replace(/\/\d+$/, ""));
  if (parsed === null) return "unknown/0";
  return parsed.length === 4 ? `${parsed.slice(0, 3).join(".")}.0/24` : `${groups(parsed, 3)}::/48`;
}

/** Whether the text names an IP address, with or without brackets. */
export function isAddress(text: string): boolean {
  return PLAIN_V4.test(text) || parseAddress(text.replace(/^\[(.*)\]$/, "$1")) !== null;
}

/** 4 bytes of IPv4 or IPv4-mapped IPv6, 8 groups of IPv6, or null. The URL parser does IPv6's spellings. */
function parseAddress(text: string): number[] | null {
  const v4 = parseV4(text);
  if (v4 !== null) return v4;
  if (!text.includes(":") || !/^[0-9a-fA-F:.]+$/.test(text)) return null;
  const url = URL.parse(`http://[${text}]/`);
  if (url === null) return null;
  const [head = "", tail] = url.hostname.slice(1, -1).split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array<string>(8 - left.length - right.length).fill("0");
  const all = [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
  const mapped = all.slice(0, 5).every((group) => group === 0) && all[5] === 0xffff;
  if (!mapped) return all;
  return all.slice(6).flatMap((group) => [group >> 8, group & 0xff]);
}

function parseV4(text: string): number[] | null {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return null;
  const bytes = text.split(".").map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : null;
}

function groups(all: number[], count: number): string {
  return all
    .slice(0, count)
    .map((group) => group.toString(16))
    .join(":");
}
