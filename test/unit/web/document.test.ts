import { describe, expect, it } from "vitest";
import {
  type Call,
  callsByTag,
  curlOf,
  exampleOf,
  matches,
  type OpenApi,
  type Schema,
  typeOf,
} from "../../../web/src/reference/document.ts";

const responses = { 200: { description: "Done." } };
const document: OpenApi = {
  info: { version: "1" },
  servers: [],
  components: {
    schemas: {
      Query: {
        type: "object",
        properties: { query: { type: "string", minLength: 1, maxLength: 9 }, limit: { type: "integer" } },
        required: ["query"],
      },
    },
  },
  paths: {
    "/v1/search": {
      post: {
        operationId: "post_search",
        summary: "Search",
        tags: ["Search"],
        security: [{ bearer: [] }],
        requestBody: {
          content: { "application/json": { schema: { $ref: "#/components/schemas/Query" } } },
        },
        responses,
      },
    },
    "/v1/keys/{id}": {
      delete: { operationId: "delete_key", summary: "End a key", tags: ["Keys"], responses },
    },
  },
};
const only = (tag: string): Call => callsByTag(document).get(tag)?.[0] as Call;

describe("the reference's reader", () => {
  it.each<[Schema, string]>([
    [{ type: "string", minLength: 1, maxLength: 9 }, "string (1 … 9 characters)"],
    [{ type: "integer", minimum: 1, maximum: 50 }, "integer (1 … 50)"],
    [{ type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER }, "integer (0 …)"],
    [{ enum: ["a", "b"] }, '"a" | "b"'],
    [{ type: "array", items: { type: ["string", "null"] } }, "(string or null)[]"],
    [{ allOf: [{ $ref: "#/components/schemas/Job" }, { type: ["object", "null"] }] }, "Job or null"],
    [{ type: "string", format: "date-time" }, "date-time"],
  ])("writes the type of %o", (schema, written) => {
    expect(typeOf(schema)).toBe(written);
  });

  it("makes an example of what has to be there", () => {
    expect(exampleOf(document, { $ref: "#/components/schemas/Query" })).toEqual({
      query: "where are settings read",
    });
  });

  it("makes an example of a schema that holds itself", () => {
    const tree: Schema = { type: "object", properties: { child: {} }, required: ["child"] };
    (tree.properties as Record<string, Schema>)["child"] = tree;
    expect(JSON.stringify(exampleOf(document, tree))).toContain("child");
  });

  it("writes a curl that names no key", () => {
    expect(curlOf(document, only("Search"))).toBe(
      [
        'curl --fail-with-body "$DEVFLOW_URL/v1/search"',
        '-H "Authorization: Bearer $DEVFLOW_KEY"',
        "-H 'Content-Type: application/json'",
        `-d '{"query":"where are settings read"}'`,
      ].join(" \\\n  "),
    );
    expect(curlOf(document, only("Keys"))).toBe(
      'curl --fail-with-body "$DEVFLOW_URL/v1/keys/<id>" -X DELETE',
    );
  });

  it("finds a call by words of its method, path and summary", () => {
    expect(matches(only("Keys"), "delete KEY")).toBe(true);
    expect(matches(only("Keys"), "search")).toBe(false);
  });
});
