import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { jwt, sign } from "hono/jwt";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";

/**
 * The gateway as Hono's own middleware makes it: headers, CORS, request id, body limit and a token, and one read of
 * the database as `GET /v1/auth/whoami` does it. No limits, no revocation, no events.
 */
interface StockEnv {
  DB: D1Database;
  JWT_SECRET: string;
}

const app = new Hono<{ Bindings: StockEnv }>();
app.use(requestId());
app.use(secureHeaders());
app.use(cors({ origin: "https://app.example.com" }));
app.use(bodyLimit({ maxSize: 1024 * 1024 }));
app.get("/token", async (c) =>
  c.text(await sign({ sub: "key", ws: "workspace" }, c.env.JWT_SECRET, "HS256")),
);
app.use("/v1/*", (c, next) => jwt({ secret: c.env.JWT_SECRET, alg: "HS256" })(c, next));
app.get("/v1/auth/whoami", async (c) => {
  const row = await c.env.DB.prepare("SELECT 'workspace' AS name").first<{ name: string }>();
  return c.json({ workspace: { id: "workspace", name: row?.name }, kind: "jwt", scopes: ["search"] });
});

export default app;
