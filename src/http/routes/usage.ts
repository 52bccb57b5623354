import { z } from "@hono/zod-openapi";
import { type UsageItem, usageReport } from "../../audit/usage-report.ts";
import { workspaceOf } from "../context.ts";
import { defineRoute } from "../route.ts";

const DaySchema = z.union([z.iso.date(), z.iso.datetime({ offset: true })]);
const amounts = {
  requests: z.int(),
  embedding_tokens: z.int(),
  chat_input_tokens: z.int(),
  chat_output_tokens: z.int(),
  bytes_stored: z.int(),
  cost_microusd: z.int(),
};
const UsageSchema = z.object({
  from: z.iso.date(),
  to: z.iso.date(),
  items: z.array(
    z.union([
      z.object({ key_id: z.string().nullable(), ...amounts }).openapi("UsageOfKey"),
      z.object({ day: z.iso.date(), ...amounts }).openapi("UsageOfDay"),
    ]),
  ),
  truncated: z.boolean(),
});

export const usageRoutes = [
  defineRoute({
    method: "get",
    path: "/v1/usage",
    summary: "What the workspace used, and what that cost",
    description:
      "By key (most tokens first) or by day (newest first); days are whole days in UTC, both ends included, 30 to " +
      "today where none are named. `bytes_stored` counts the bytes of files that were stored in that time. Costs are " +
      "made with the prices that are set now. A second or two behind; kept for 400 days.",
    tag: "Operations",
    access: "admin",
    limit: "default",
    query: z.strictObject({
      from: DaySchema.optional(),
      to: DaySchema.optional(),
      group_by: z.enum(["key", "day"]).default("day"),
    }),
    responses: { 200: { description: "Sums.", schema: UsageSchema } },
    async handle(c, { query }) {
      const { from, to, items, truncated } = await usageReport(
        c.get("services"),
        workspaceOf(c).workspaceId,
        {
          fromMs: query.from === undefined ? null : Date.parse(query.from),
          toMs: query.to === undefined ? null : Date.parse(query.to),
          groupBy: query.group_by,
        },
      );
      return c.json({ from, to, items: items.map((item) => itemBody(query.group_by, item)), truncated });
    },
  }),
];

function itemBody(groupBy: "key" | "day", item: UsageItem) {
  return {
    [groupBy === "key" ? "key_id" : "day"]: item.name,
    requests: item.requests,
    embedding_tokens: item.embeddingTokens,
    chat_input_tokens: item.chatInputTokens,
    chat_output_tokens: item.chatOutputTokens,
    bytes_stored: item.bytesStored,
    cost_microusd: item.costMicrousd,
  };
}
