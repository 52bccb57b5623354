import type { z } from "@hono/zod-openapi";
import { describe, expectTypeOf, it } from "vitest";
import type * as Client from "../../../client/types.ts";
import type { CreatedKeySchema, KeySchema } from "../../../src/http/routes/key-schemas.ts";
import type { FileInfoSchema, FileSchema } from "../../../src/http/schemas/file.ts";
import type { JobFileSchema, JobSchema } from "../../../src/http/schemas/job.ts";
import type {
  SearchAnswerSchema,
  SearchRequestSchema,
  SearchResultSchema,
} from "../../../src/http/schemas/search.ts";

/** Checked by `npm run check:types`: what the server sends has every member that the client reads, of its type. */
describe("the client's types", () => {
  it("are those of the schemas that the server validates and documents with", () => {
    expectTypeOf<z.output<typeof JobSchema>>().toExtend<Client.Job>();
    expectTypeOf<z.output<typeof JobFileSchema>>().toExtend<Client.JobFile>();
    expectTypeOf<z.output<typeof FileSchema>>().toExtend<Client.StoredFile>();
    expectTypeOf<z.output<typeof FileInfoSchema>>().toExtend<Client.FileInfo>();
    expectTypeOf<z.output<typeof SearchResultSchema>>().toExtend<Client.SearchHit>();
    expectTypeOf<z.output<typeof SearchAnswerSchema>>().toExtend<Client.SearchAnswer>();
    expectTypeOf<z.output<typeof KeySchema>>().toExtend<Client.Key>();
    expectTypeOf<z.output<typeof CreatedKeySchema>>().toExtend<Client.CreatedKey>();
    expectTypeOf<Client.SearchRequest>().toExtend<{
      [K in keyof z.input<typeof SearchRequestSchema>]?: unknown;
    }>();
  });
});
