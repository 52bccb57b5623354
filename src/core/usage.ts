/** What a credential used; every amount is added to what the ledger holds. */
export interface UsageAmounts {
  /** HTTP requests that were answered for it, refusals for its limits and scopes included. */
  requests: number;
  embeddingTokens: number;
  chatInputTokens: number;
  chatOutputTokens: number;
  /** Bytes of files that were stored for it: uploaded, fit to be indexed, and not there already. */
  bytesStored: number;
}

/** The ledger, as those who use something see it: nothing waits for it, and nothing fails by it. */
export interface UsageRecorder {
  /** @param keyId null for work that no key asked for. */
  add(workspaceId: string, keyId: string | null, amounts: Partial<UsageAmounts>): void;
  /** @param route identity of the route, such as `GET /v1/files`; null where none matched. */
  answered(route: string | null, status: number): void;
}

/** The day of a time, in UTC: `2026-11-24`. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
