import { describe, expect, it } from "vitest";
import { readCredential } from "../../../src/auth/credential.ts";
import { DevFlowError } from "../../../src/core/errors.ts";

function codeOf(header: string | null): string {
  try {
    return readCredential(header).form;
  } catch (error) {
    return error instanceof DevFlowError ? error.code : String(error);
  }
}

describe("readCredential", () => {
  it.each([
    [null, "unauthenticated"],
    ["", "unauthenticated"],
    ["Bearer", "unauthenticated"],
    ["bearer   ", "unauthenticated"],
    ["Bearer abc", "other"],
    ["bEaReR   abc", "other"],
    ["Bearer dvf_x", "api_key"],
    ["Bearer dvf_a.b.c", "api_key"],
    ["Bearer a.b.c", "token"],
    ["Bearer ..", "token"],
    ["Bearer a.b", "other"],
    ["Bearer a.b.c.d.e", "other"],
    ["Bearer a.b.c d", "invalid_token"],
    ["Bearer a b", "invalid_api_key"],
    ["Bearer\tabc", "invalid_api_key"],
    ["Bearerabc", "invalid_api_key"],
    ["Basic dXNlcjpwYXNz", "invalid_api_key"],
    ["dvf_x", "invalid_api_key"],
    ["Bearer a=.b.c", "invalid_token"],
    ["Bearer dvf_x, Bearer dvf_y", "invalid_api_key"],
    ["Bearer a.b.c, Bearer dvf_y", "invalid_token"],
    ["Bearer ☃", "invalid_api_key"],
    ["Bearer a\u0000b", "invalid_api_key"],
  ])("reads %j as %s", (header, expected) => {
    expect(codeOf(header)).toBe(expected);
  });

  it("names no error code in the challenge where no credential came (RFC 6750, section 3.1)", () => {
    try {
      readCredential(null);
      expect.unreachable();
    } catch (error) {
      expect((error as DevFlowError).headers["www-authenticate"]).toBe('Bearer realm="devflow"');
    }
  });
});
