/** What a credential may do; see api.md, Conventions. */
export const SCOPES = ["search", "index", "ask", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

/** Lowered (or, by root, raised) quotas of a key: policy → quota. */
export type KeyLimits = Record<string, { requests: number; window_seconds: number }>;

/** Who calls. A workspace's credential, or the root key, which administers and reads no data. */
export type Principal = WorkspacePrincipal | RootPrincipal;

export interface WorkspacePrincipal {
  kind: "api_key" | "jwt";
  workspaceId: string;
  /** The key, or the key that made the token; `ext_…` for a subject of another issuer. */
  keyId: string;
  /** Another issuer of the token; null for a key and for tokens of our own. */
  issuer: string | null;
  /** Subject of the rate limits: shared by a key, its tokens and its rotated successors. */
  bucketId: string;
  scopes: Scope[];
  limits: KeyLimits;
  /** Milliseconds since the epoch, or null. */
  expiresAtMs: number | null;
  /** Epoch of the bucket's limiter under which this was read; null: not known to be current (see `KeyStanding`). */
  asOf: number | null;
}

/**
 * What the limiter of a bucket says of its keys, in the same call as the limits. A credential whose key is revoked
 * is refused; one that was read under another epoch is read again. `fallback`: the limiter is down, nothing is known.
 */
export interface KeyStanding {
  source: "limiter" | "cached" | "fallback";
  revoked: string[];
  epoch: number;
}

export interface RootPrincipal {
  kind: "root";
  keyId: "root";
  bucketId: "root";
  scopes: [];
  limits: KeyLimits;
  expiresAtMs: null;
}

export const ROOT: RootPrincipal = {
  kind: "root",
  keyId: "root",
  bucketId: "root",
  scopes: [],
  limits: {},
  expiresAtMs: null,
};

export function hasScope(principal: Principal, scope: Scope): boolean {
  return principal.kind !== "root" && principal.scopes.includes(scope);
}
