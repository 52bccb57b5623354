import { describe, expect, it } from "vitest";
import { TokenCache } from "../../../src/auth/token-cache.ts";
import type { WorkspacePrincipal } from "../../../src/core/principal.ts";

const principal = (issuer: string | null = null): WorkspacePrincipal => ({
  kind: "jwt",
  issuer,
  keyId: "key_1",
  workspaceId: "ws_1",
  bucketId: "key_1",
  scopes: ["search"],
  limits: {},
  expiresAtMs: 10_000,
  asOf: 0,
});

describe("TokenCache", () => {
  function setUp(answer: () => WorkspacePrincipal = principal) {
    const state = { now: 0, verified: 0 };
    const cache = new TokenCache(() => state.now);
    const read = (token: string) =>
      cache.read(token, async () => {
        state.verified++;
        return answer();
      });
    return { state, read };
  }

  it("verifies a token once, and any other text anew", async () => {
    const { state, read } = setUp();
    await read("a.b.c");
    expect(await read("a.b.c")).toMatchObject({ keyId: "key_1", scopes: ["search"] });
    expect(state.verified).toBe(1);
    for (const text of ["a.b.d", "A.b.c", "a.b.c ", "a.b.c="]) await read(text);
    expect(state.verified).toBe(5);
  });

  it("looks at the end each time", async () => {
    const { state, read } = setUp();
    await read("a.b.c");
    state.now = 9999;
    await read("a.b.c");
    state.now = 10_000;
    await expect(read("a.b.c")).rejects.toMatchObject({ code: "token_expired" });
    expect(state.verified).toBe(1);
  });

  it("keeps neither refusals nor tokens of other issuers", async () => {
    const refusing = setUp(() => {
      throw new Error("refused");
    });
    await expect(refusing.read("a.b.c")).rejects.toThrow("refused");
    await expect(refusing.read("a.b.c")).rejects.toThrow("refused");
    expect(refusing.state.verified).toBe(2);
    const foreign = setUp(() => principal("https://id.example.com/"));
    await foreign.read("a.b.c");
    await foreign.read("a.b.c");
    expect(foreign.state.verified).toBe(2);
  });
});
