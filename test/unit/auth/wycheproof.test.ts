import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { compactVerify, createLocalJWKSet, type JWK } from "jose";
import { describe, expect, it } from "vitest";
import { readCompactJws } from "../../../src/auth/compact-jws.ts";
import { fromBase64url } from "../../../src/core/hash.ts";
import { ISSUER_ALGORITHMS } from "../../../src/core/issuer.ts";

/** Google's vectors for JSON Web Signatures; shared between projects, so they may be absent. */
const FILE = resolve(
  import.meta.dirname,
  "../../../../shared/corpora/wycheproof/json_web_signature_test.json",
);

interface Group {
  comment: string;
  public?: JWK;
  private: JWK;
  tests: { tcId: number; comment: string; jws: string; result: "valid" | "invalid"; flags?: string[] }[];
}

/** As our tokens are verified (`oct`), or another issuer's. */
async function verifies(group: Group, jws: string): Promise<boolean> {
  const read = readCompactJws(jws);
  if (read === null) return false;
  const key = group.public ?? group.private;
  try {
    if (key.kty === "oct") {
      await compactVerify(jws, fromBase64url(key.k ?? "") ?? new Uint8Array(), { algorithms: ["HS256"] });
    } else {
      const keySet = createLocalJWKSet({ keys: [key] });
      await compactVerify(jws, keySet, { algorithms: [...ISSUER_ALGORITHMS] });
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * Vectors whose label cannot be right. 367 and 370 are called padded, but hold no padding: both are, letter for
 * letter, the well-formed token of their group with its true signature. 372 and 373 are called valid, and
 * hold a `?`, which base64url does not have (RFC 7515, section 2, takes none but its own characters).
 */
const RELABELLED: Record<number, "valid" | "invalid"> = {
  367: "valid",
  370: "valid",
  372: "invalid",
  373: "invalid",
};

/** Algorithms that nobody here may sign with: their valid vectors are refused too. */
const UNUSED = /^(rs384|rs512|ps384|ps512)$/;
/** PS384 and ES512 in groups that are named otherwise. */
const UNUSED_CASES = new Set([346, 347, 350, 351]);

if (!existsSync(FILE)) console.warn(`SKIPPED: the Wycheproof vectors are not at ${FILE}`);
const groups: Group[] = existsSync(FILE) ? JSON.parse(readFileSync(FILE, "utf8")).testGroups : [];

const cases = groups.flatMap((group) =>
  group.tests.map((test) => ({ group, ...test, result: RELABELLED[test.tcId] ?? test.result })),
);

describe.skipIf(groups.length === 0)("Wycheproof vectors of JSON Web Signatures", () => {
  it("accepts no invalid one", async () => {
    const invalid = cases.filter(({ result }) => result === "invalid");
    expect(invalid.length).toBeGreaterThan(300);
    const accepted: string[] = [];
    for (const { group, tcId, comment, jws } of invalid) {
      if (await verifies(group, jws)) accepted.push(`${tcId} ${group.comment}: ${comment}`);
    }
    expect(accepted).toEqual([]);
  });

  it("accepts the valid ones, where their algorithm is in use", async () => {
    const valid = cases.filter(({ result }) => result === "valid");
    const expected = valid.filter(
      ({ group, tcId }) => !UNUSED.test(group.comment) && !UNUSED_CASES.has(tcId),
    );
    expect(expected.length).toBeGreaterThan(20);
    const accepted: number[] = [];
    for (const { group, tcId, jws } of valid) if (await verifies(group, jws)) accepted.push(tcId);
    expect(accepted).toEqual(expected.map(({ tcId }) => tcId));
  });
});
