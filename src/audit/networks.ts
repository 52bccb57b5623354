import { shortenedAddress } from "../core/address.ts";
import type { Lru } from "../core/lru.ts";
import type { Principal } from "../core/principal.ts";
import type { SecurityEvents } from "../core/security-event.ts";
import type { Database } from "../db/database.ts";
import { deleteNetworksBeyond, selectFamiliarity, upsertNetwork } from "../db/key-networks.ts";

/** An isolate writes the time of a network's last use at most this often. */
export const NETWORK_NOTED_MS = 3_600_000;
/** Networks remembered of one key; a key on the road has more, and is told of again. */
const MAX_NETWORKS = 50;

export interface NetworkDeps {
  db: Database;
  /** Bucket and network that this isolate noted within the hour. */
  networks: Lru<true>;
  events: SecurityEvents;
  now(): number;
}

/** A request whose credential was found good. */
export interface CredentialUse {
  principal: Principal;
  ip: string;
  route: string | null;
  requestId: string;
}

/**
 * Notes the network (IPv4 /24, IPv6 /48) that a key or one of its tokens is used from: `key_new_network` where
 * others are known of it and this one is not. Subjects of other issuers are not keys, and not noted.
 * @returns the work to be done behind the answer: once an hour for each network in an isolate, else null.
 */
export function noteNetwork(deps: NetworkDeps, use: CredentialUse): Promise<void> | null {
  const { principal, ip } = use;
  const network = shortenedAddress(ip);
  if (network === UNKNOWN || (principal.kind !== "root" && principal.issuer !== null)) return null;
  const noted = `${principal.bucketId} ${network}`;
  if (deps.networks.get(noted)) return null;
  deps.networks.set(noted, true);
  return storeNetwork(deps, use, network).catch((cause: unknown) => {
    deps.networks.delete(noted);
    throw cause;
  });
}

async function storeNetwork(deps: NetworkDeps, use: CredentialUse, network: string): Promise<void> {
  const { principal, ip, route, requestId } = use;
  const { bucketId, keyId } = principal;
  const { db } = deps;
  const workspaceId = principal.kind === "root" ? null : principal.workspaceId;
  const now = deps.now();
  // One batch is one transaction: of two isolates that see the network at once, one is the first.
  const [[before]] = await db.batch([
    selectFamiliarity(db, bucketId, network),
    upsertNetwork(db, { bucketId, network, workspaceId, firstAt: now, lastAt: now }),
    deleteNetworksBeyond(db, bucketId, MAX_NETWORKS),
  ]);
  if (before === undefined || before.known > 0 || before.networks === 0) return;
  deps.events.record({
    type: "key_new_network",
    workspaceId,
    keyId,
    ip,
    route,
    requestId,
    detail: { network, networks_known: before.networks },
  });
}

const UNKNOWN = shortenedAddress("");
