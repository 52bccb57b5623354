import { createMiddleware } from "hono/factory";
import { DevFlowError } from "../../core/errors.ts";
import { hex, sha256Hex } from "../../core/hash.ts";
import { LIMITS } from "../../core/limits.ts";
import { redact } from "../../core/security-event.ts";
import {
  claimIdempotency,
  finishIdempotency,
  releaseIdempotency,
  selectIdempotency,
} from "../../db/idempotency.ts";
import { tooLarge } from "../body.ts";
import type { AppContext, AppEnv } from "../context.ts";

const HOUR_MS = 3_600_000;
/** How long a first answer is repeated. */
const KEPT_MS = 24 * HOUR_MS;
/** A request that has not ended by then was lost with its isolate; the next one with its key runs. */
const ABANDONED_MS = 10 * 60_000;
/** Longer answers are not kept; no POST or PUT has one. */
const MAX_ANSWER_BYTES = 512 * 1024;
/** Headers of an answer that belong to it, rather than to the exchange. */
const KEPT_HEADERS = [
  "content-type",
  "location",
  "etag",
  "www-authenticate",
  "allow",
  "accept",
  "retry-after",
];

/**
 * `Idempotency-Key` on POST and PUT: the first answer again for the same request, 409 for another request under
 * the same key or while the first still runs. Runs after authorisation and limit, so a replay is authorised and
 * counted too. The body is hashed while it streams to the handler, so bodies of any size work and none is held.
 * Not kept: 429, 5xx, event streams, answers to bodies that were not read to their end. Secrets that are shown
 * once are not stored: a replay shows `null` in their place.
 * @param quotes whether answers hold what stands in files: those are forgotten when files are deleted.
 */
export function idempotent({ quotes }: { quotes: boolean }) {
  return createMiddleware<AppEnv>(async function idempotentMiddleware(c, next) {
    const key = c.req.header("idempotency-key");
    const principal = c.get("principal");
    if (key === undefined || principal === undefined) return next();
    requireKey(key);
    const { db, now, background } = c.get("services");
    const workspaceId = principal.kind === "root" ? "root" : principal.workspaceId;
    const id = await sha256Hex(JSON.stringify([workspaceId, principal.keyId, c.get("route"), key]));
    const nowMs = now();
    const [claimed] = await claimIdempotency(db, {
      id,
      workspaceId,
      nowMs,
      expiredBeforeMs: nowMs - KEPT_MS,
      abandonedBeforeMs: nowMs - ABANDONED_MS,
    });
    if (claimed === undefined) return replay(c, id);
    const body = hashing(c.req.raw);
    c.req.raw = body.request;
    const ended = Promise.withResolvers<void>();
    // A client that goes away would end the request with its key still claimed.
    background(ended.promise);
    try {
      await next();
      await keep(c, id, body, quotes);
    } finally {
      ended.resolve();
    }
  });
}

function requireKey(key: string): void {
  if (key.length >= 1 && key.length <= 255 && /^[\x20-\x7e]+$/.test(key)) return;
  const message = "Must be 1 to 255 visible ASCII characters.";
  throw new DevFlowError("invalid_request", `/header/Idempotency-Key: ${message}`, {
    errors: [{ pointer: "/header/Idempotency-Key", message }],
  });
}

/** Errors: `conflict` while the first request runs, `idempotency_conflict` for another request. */
async function replay(c: AppContext, id: string): Promise<Response> {
  const [row] = await selectIdempotency(c.get("services").db, id);
  if (row === undefined || row.status === null) {
    throw new DevFlowError("conflict", "The first request with this Idempotency-Key is still running.", {
      headers: { "retry-after": "1" },
    });
  }
  if ((await digestOf(c.req.raw)) !== row.requestDigest) {
    throw new DevFlowError(
      "idempotency_conflict",
      "This Idempotency-Key came with another request before; use a new one.",
    );
  }
  return c.body(row.body ?? "", row.status as 200, {
    ...row.headers,
    "idempotency-replayed": "true",
  });
}

async function keep(c: AppContext, id: string, body: HashedBody, quotes: boolean): Promise<void> {
  const { db, log } = c.get("services");
  const release = () => releaseIdempotency(db, id);
  const { status, headers } = c.res;
  const type = headers.get("content-type") ?? "";
  const digest = await body.digest();
  if (digest === null || status === 429 || status >= 500 || type.startsWith("text/event-stream")) {
    await release();
    return;
  }
  try {
    const text = await c.res.clone().text();
    if (text.length > MAX_ANSWER_BYTES) {
      await release();
      return;
    }
    const kept = KEPT_HEADERS.flatMap((name): [string, string][] => {
      const value = headers.get(name);
      return value === null ? [] : [[name, value]];
    });
    await finishIdempotency(db, id, {
      requestDigest: digest,
      status,
      quotes,
      headers: Object.fromEntries(kept),
      body: type.includes("json") ? withoutSecrets(text) : redact(text),
    });
  } catch (cause) {
    // The request itself has succeeded; only its repetition will not be known.
    log.error("a first answer could not be kept", cause);
    await release();
  }
}

/** The answer with `null` for every credential in it, wherever it stands. */
export function withoutSecrets(json: string): string {
  return JSON.stringify(JSON.parse(json), (name, value: unknown) =>
    name === "access_token" || (typeof value === "string" && redact(value) === "[redacted]") ? null : value,
  );
}

interface HashedBody {
  /** The request, whose body is hashed as it is read. */
  request: Request;
  /** Digest of request line, type and body; null where the body was not read to its end. */
  digest(): Promise<string | null>;
}

/** Passes the body on and hashes it on the way; a known length stays known. */
function hashing(request: Request): HashedBody {
  if (request.body === null) return { request, digest: () => requestDigest(request, EMPTY_SHA256) };
  const hash = new crypto.DigestStream("SHA-256");
  // A body that is given up fails the digest too; nobody waits for it then.
  hash.digest.catch(() => {});
  const writer = hash.getWriter();
  let ended = false;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    async transform(part, controller) {
      await writer.write(part);
      controller.enqueue(part);
    },
    async flush() {
      await writer.close();
      ended = true;
    },
  });
  const length = request.headers.get("content-length");
  const through = request.body.pipeThrough(counted);
  const body =
    length !== null && /^\d{1,15}$/.test(length)
      ? through.pipeThrough(new FixedLengthStream(Number(length)))
      : through;
  return {
    request: new Request(request, { body }),
    async digest() {
      if (!ended) return null;
      return requestDigest(request, hex(new Uint8Array(await hash.digest)));
    },
  };
}

/** The digest of a whole request; what it reads is not kept. Errors: `payload_too_large`. */
async function digestOf(request: Request): Promise<string> {
  if (request.body === null) return requestDigest(request, EMPTY_SHA256);
  const hash = new crypto.DigestStream("SHA-256");
  const writer = hash.getWriter();
  let length = 0;
  for await (const part of request.body) {
    length += part.byteLength;
    if (length > LIMITS.archiveBodyBytes) throw tooLarge(LIMITS.archiveBodyBytes);
    await writer.write(part);
  }
  await writer.close();
  return requestDigest(request, hex(new Uint8Array(await hash.digest)));
}

const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

function requestDigest(request: Request, bodySha256: string): Promise<string> {
  const { pathname, search } = new URL(request.url);
  const type = request.headers.get("content-type") ?? "";
  return sha256Hex(JSON.stringify([request.method, pathname, search, type, bodySha256]));
}
