import { Hono } from "hono";

/** What `/health` costs at the least: Hono, one route, no middleware. */
const app = new Hono();
app.get("/health", (c) => c.json({ status: "ok", version: "0", time: new Date().toISOString() }));

export default app;
