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
  workspaceName: string;
  /** The key, or the key that made the token. */
  keyId: string;
  /** Subject of the rate limits: shared by a key, its tokens and its rotated successors. */
  bucketId: string;
  scopes: Scope[];
  limits: KeyLimits;
  /** Milliseconds since the epoch, or null. */
  expiresAtMs: number | null;
}

export interface RootPrincipal {
  kind: "root";
  keyId: "root";
  bucketId: "root";
  scopes: [];
  limits: KeyLimits;
  expiresAtMs: null;
}

export function hasScope(principal: Principal, scope: Scope): boolean {
  return principal.kind !== "root" && principal.scopes.includes(scope);
}
