import { isAddress } from "./address.ts";

/**
 * Whether an address from the settings may be called: https, a public name, the standard port or another, no
 * credentials. Names that only resolve inside a network are refused, and so are IP addresses in any spelling.
 */
export function isPublicHttps(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.protocol !== "https:" || url.username !== "" || url.password !== "") return false;
  const host = url.hostname.replace(/\.$/, "");
  if (isAddress(host) || !host.includes(".")) return false;
  return !PRIVATE_SUFFIXES.some((suffix) => host.endsWith(suffix));
}

const PRIVATE_SUFFIXES = [
  ".local",
  ".localhost",
  ".internal",
  ".intranet",
  ".lan",
  ".home",
  ".corp",
  ".private",
  ".home.arpa",
  ".in-addr.arpa",
  ".ip6.arpa",
  ".test",
  ".invalid",
  ".onion",
];
