/** The rate-limit policies of api.md. Each operation names exactly one; `ip` and `auth_failed` apply beside it. */
export const POLICIES = ["ip", "auth_failed", "default", "search", "index", "ask", "token", "poll"] as const;
export type PolicyName = (typeof POLICIES)[number];
/** Policies that an operation may name. */
export type OperationPolicy = Exclude<PolicyName, "ip" | "auth_failed">;
