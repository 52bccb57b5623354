import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { type JwtVariables, jwt, sign } from "hono/jwt";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";

/**
 * The gateway as Hono's own middleware makes it: headers, CORS, request id, body limit and a token. No limits, no
 * revocation, no events. It answers `GET /v1/auth/whoami` with the body that DevFlow has for it, and as DevFlow does
 * for all but one request in ten seconds, without a read of the database.
 */
interface StockEnv {
  JWT_SECRET: string;
}

interface Claims {
  sub: string;
  ws: string;
  scope: string;
  exp: number;
}

const KEY_ID = "key_01m86vtgtngjqa8b5xyzq5cr53";
const WORKSPACE_ID = "ws_kfx48pdzjvpz3hscttc5ze8q1";
const POLICIES = ["default", "search", "index", "ask", "token", "poll"];
const LIMITS = Object.fromEntries(
  POLICIES.map((name) => [name, { requests: 10_000_000, window_seconds: 3600 }]),
);

const app = new Hono<{ Bindings: StockEnv; Variables: JwtVariables<Claims> }>();
app.use(requestId());
app.use(secureHeaders());
app.use(cors({ origin: "https://app.example.com", credentials: true }));
app.use(bodyLimit({ maxSize: 1024 * 1024 }));
app.get("/token", async (c) => {
  const iat = Math.floor(Date.now() / 1000);
  const claims = {
    ...{ iss: "urn:devflow:development", aud: "urn:devflow:api", sub: KEY_ID, ws: WORKSPACE_ID, bkt: KEY_ID },
    ...{ epo: 0, scope: "search index ask admin", jti: crypto.randomUUID(), iat, exp: iat + 3600 },
  };
  return c.text(await sign(claims, c.env.JWT_SECRET, "HS256"));
});
app.use("/v1/*", (c, next) => jwt({ secret: c.env.JWT_SECRET, alg: "HS256" })(c, next));
app.get("/v1/auth/whoami", (c) => {
  const { sub, ws, scope, exp } = c.get("jwtPayload");
  return c.json({
    workspace: { id: ws, name: "local" },
    key_id: sub,
    kind: "jwt",
    scopes: scope.split(" "),
    expires_at: new Date(exp * 1000).toISOString(),
    limits: LIMITS,
  });
});

export default app;
