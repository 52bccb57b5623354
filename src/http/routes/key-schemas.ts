import { z } from "@hono/zod-openapi";
import { type OperationPolicy, POLICIES } from "../../core/policy-names.ts";
import { SCOPES, type Scope } from "../../core/principal.ts";
import type { KeyRow } from "../../db/api-keys.ts";

const quota = z.strictObject({
  requests: z.int().min(1).max(1_000_000_000),
  window_seconds: z.int().min(1).max(86_400),
});

const operations = POLICIES.filter(
  (name): name is OperationPolicy => name !== "ip" && name !== "auth_failed",
);

/** Limits by policy, each optional. */
function limitsOf<T extends z.ZodType>(value: T) {
  const shape = Object.fromEntries(operations.map((name) => [name, value.optional()]));
  return z.strictObject(shape as Record<OperationPolicy, z.ZodOptional<T>>);
}

/** For people to read: nothing in it may pretend to be a line of its own, turn what is around it, or be half a character. */
export const NameSchema = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .refine(
    (text) => text.isWellFormed() && !/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(text),
    "Control characters are not allowed.",
  );

/** In our order, without doubles. */
export const ScopesSchema = z
  .array(z.enum(SCOPES))
  .min(1)
  .max(SCOPES.length)
  .transform((given): Scope[] => SCOPES.filter((scope) => given.includes(scope)));

/** A time with its offset, as milliseconds since the epoch. */
export const TimeSchema = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

export const NewKeySchema = z.strictObject({
  name: NameSchema,
  scopes: ScopesSchema,
  expires_at: TimeSchema.nullable().optional(),
  limits: limitsOf(quota).optional(),
});

export const KeyChangeSchema = z
  .strictObject({
    name: NameSchema.optional(),
    scopes: ScopesSchema.optional(),
    expires_at: TimeSchema.nullable().optional(),
    limits: limitsOf(quota.nullable()).optional(),
  })
  .refine((change) => Object.values(change).some((value) => value !== undefined), "Give at least one field.");

export const RotationSchema = z.strictObject({
  grace_seconds: z.int().min(0).max(604_800).default(0),
});

export const KeySchema = z
  .object({
    id: z.string(),
    prefix: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(SCOPES)),
    limits: z.record(z.string(), quota),
    created_by: z.string().nullable(),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime().nullable(),
    last_used_at: z.iso.datetime().nullable(),
    revoked_at: z.iso.datetime().nullable(),
  })
  .openapi("Key");

/** `key` is null where an idempotent request is repeated: the text is never stored. */
export const CreatedKeySchema = KeySchema.extend({ key: z.string().nullable() }).openapi("CreatedKey");

export const KeyIdSchema = z.object({ id: z.string().min(1).max(100) });

/** A key as clients see it. */
export function keyView(row: KeyRow) {
  return {
    id: row.id,
    prefix: row.prefix,
    name: row.name,
    scopes: row.scopes,
    limits: row.limits ?? {},
    created_by: row.createdBy,
    created_at: timeView(row.createdAt) ?? "",
    expires_at: timeView(row.expiresAt),
    last_used_at: timeView(row.lastUsedAt),
    revoked_at: timeView(row.revokedAt),
  };
}

/** RFC 3339 in UTC. */
export function timeView(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
