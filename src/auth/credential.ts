import { DevFlowError, type ErrorCode } from "../core/errors.ts";

/** What an `Authorization` header holds, judged by its form alone. */
export interface Credential {
  form: "api_key" | "token" | "other";
  text: string;
}

const REALM = 'Bearer realm="devflow"';

/**
 * The bearer credential of the header (RFC 6750, section 2.1): the scheme's name in any case, spaces, one token.
 * What begins with `dvf_` is meant as an API key, three parts between dots as a token.
 * Errors: `unauthenticated` without a credential; `invalid_token` or `invalid_api_key`, by that form, for one that
 * no header may hold. Several headers arrive joined by commas, which no credential holds: they are refused here.
 */
export function readCredential(header: string | null): Credential {
  const text = header?.trim() ?? "";
  if (text === "" || /^Bearer$/i.test(text)) {
    throw new DevFlowError(
      "unauthenticated",
      "Send a credential: Authorization: Bearer <API key or token>.",
      {
        headers: { "www-authenticate": REALM },
      },
    );
  }
  const match = /^Bearer +(\S.*)$/i.exec(text);
  const rest = match?.[1] ?? text;
  const form = formOf(rest);
  if (match === null || !/^[A-Za-z0-9\-._~+/]+=*$/.test(rest)) {
    throw form === "token" ? invalidToken() : invalidApiKey();
  }
  return { form, text: rest };
}

function formOf(text: string): Credential["form"] {
  if (text.startsWith("dvf_")) return "api_key";
  return /^[^.]*\.[^.]*\.[^.]*$/.test(text) ? "token" : "other";
}

/** The holder of a key that once was valid is told why it no longer is. */
export function invalidApiKey(
  why: "unknown" | "expired" | "revoked" = "unknown",
  cause?: unknown,
): DevFlowError {
  const detail = {
    unknown: "The API key is not valid.",
    expired: "The API key is not valid: it has expired.",
    revoked: "The API key is not valid: it was revoked.",
  }[why];
  return challenge("invalid_api_key", detail, cause);
}

export function invalidToken(cause?: unknown): DevFlowError {
  return challenge("invalid_token", "Invalid token", cause);
}

export function tokenExpired(): DevFlowError {
  return challenge("token_expired", "Token expired");
}

/** RFC 6750, section 3.1: a wrong credential of whatever kind is `invalid_token`. */
function challenge(code: ErrorCode, detail: string, cause?: unknown): DevFlowError {
  return new DevFlowError(code, detail, {
    headers: { "www-authenticate": `${REALM}, error="invalid_token", error_description="${detail}"` },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The credential is good, but not for this. RFC 6750, section 3.1: names the scope that would do, where one would. */
export function insufficientScope(detail: string, scope: string | null): DevFlowError {
  const named = scope === null ? "" : `, scope="${scope}"`;
  return new DevFlowError("insufficient_scope", detail, {
    headers: { "www-authenticate": `${REALM}, error="insufficient_scope"${named}` },
  });
}
