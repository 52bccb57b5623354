import { METRICS_TYPE, metricsText } from "../../audit/metrics.ts";
import { VERSION } from "../../version.ts";
import { defineRoute } from "../route.ts";

export const metricsRoutes = [
  defineRoute({
    method: "get",
    path: "/metrics",
    summary: "The deployment's state in Prometheus' text format",
    description:
      "Requests by route, jobs, pending files, age of the queue, security events, tokens, age of the newest backup, " +
      "and whether each upstream answers. Read from the stores, not from one isolate; a second or two behind.",
    tag: "Operations",
    access: "root",
    limit: "poll",
    responses: { 200: { description: "Metrics.", contentType: METRICS_TYPE } },
    async handle(c) {
      return c.text(await metricsText(c.get("services"), VERSION), 200, { "content-type": METRICS_TYPE });
    },
  }),
];
