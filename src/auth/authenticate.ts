import { DevFlowError } from "../core/errors.ts";
import { equalSecrets } from "../core/hash.ts";
import type { Principal, Scope } from "../core/principal.ts";
import type { Secret } from "../core/secret.ts";
import { selectKeyByDigest } from "../db/api-keys.ts";
import type { Database } from "../db/database.ts";
import { digestApiKey, isWellFormedApiKey } from "./api-key.ts";

export interface AuthenticateDeps {
  db: Database;
  rootKey: Secret;
  now(): number;
}

/**
 * Who the `Authorization` header speaks for.
 * Errors: `unauthenticated` without a credential, `invalid_api_key` for one that is wrong, revoked or expired.
 */
export async function authenticate(deps: AuthenticateDeps, header: string | null): Promise<Principal> {
  const credential = bearerCredential(header);
  if (await equalSecrets(credential, deps.rootKey.reveal())) {
    return { kind: "root", keyId: "root", bucketId: "root", scopes: [], limits: {}, expiresAtMs: null };
  }
  if (!isWellFormedApiKey(credential)) throw invalidKey();
  const [row] = await selectKeyByDigest(deps.db, await digestApiKey(credential));
  if (row === undefined || row.key.revokedAt !== null || row.workspace.deletedAt !== null) throw invalidKey();
  if (row.key.expiresAt !== null && row.key.expiresAt <= deps.now()) throw invalidKey();
  return {
    kind: "api_key",
    workspaceId: row.workspace.id,
    workspaceName: row.workspace.name,
    keyId: row.key.id,
    bucketId: row.key.bucketId,
    scopes: row.key.scopes as Scope[],
    limits: row.key.limits ?? {},
    expiresAtMs: row.key.expiresAt,
  };
}

/** RFC 6750, section 2.1: the scheme's name in any case, one space or more, one token. */
function bearerCredential(header: string | null): string {
  if (header === null) {
    throw new DevFlowError(
      "unauthenticated",
      "Send a credential: Authorization: Bearer <API key or token>.",
      {
        headers: { "www-authenticate": 'Bearer realm="devflow"' },
      },
    );
  }
  const match = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i.exec(header);
  if (!match?.[1]) throw invalidKey();
  return match[1];
}

function invalidKey(): DevFlowError {
  return new DevFlowError("invalid_api_key", "The API key is not valid.", {
    headers: {
      "www-authenticate":
        'Bearer realm="devflow", error="invalid_token", error_description="The API key is not valid"',
    },
  });
}
