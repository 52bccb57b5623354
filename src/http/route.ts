import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Hono, MiddlewareHandler } from "hono";
import { DevFlowError } from "../core/errors.ts";
import type { OperationPolicy } from "../core/policy-names.ts";
import type { Scope } from "../core/principal.ts";
import { JSON_BOUNDS, type JsonBounds, readJson, requireMediaType } from "./body.ts";
import type { AppContext, AppEnv } from "./context.ts";
import { authorise, recogniseRoot } from "./middleware/authorise.ts";
import { idempotent } from "./middleware/idempotency.ts";
import { limitFailedCredentials, limitOperation } from "./middleware/rate-limit.ts";
import { confirmed } from "./middleware/standing.ts";
import { limitUpload } from "./middleware/sync-upload.ts";
import { parseQuery, validate } from "./validate.ts";

/**
 * Who may call: `public` (no credential is read), `root`, `any` credential, `api_key` (a workspace's key, not a
 * token), `admin_key` (the same, with the scope admin), `workspace` (any credential of a workspace, whatever its
 * scopes), or a scope.
 */
export type Access =
  | "public"
  | "root"
  | "any"
  | "api_key"
  | "admin_key"
  | "workspace"
  | Scope
  | "admin_or_root";

/**
 * The policy that a request is charged to. `inner`: the handler calls other routes, each charged to its own. Null for
 * routes that only the `ip` policy limits.
 */
export type RouteLimit = OperationPolicy | "inner" | null;

type Method = "get" | "post" | "put" | "patch" | "delete";

export interface ResponseSpec {
  description: string;
  /** JSON by default; `contentType` names another form. */
  schema?: z.ZodType;
  contentType?: string;
  /** Server-sent events, too, where the request asks for them. */
  events?: boolean;
}

/** A route as data: one declaration gives routing, authorisation, limits, validation and documentation. */
export interface RouteSpec<B extends z.ZodType, Q extends z.ZodObject, P extends z.ZodObject> {
  method: Method;
  /** With parameters as `{id}`. */
  path: string;
  summary: string;
  description?: string;
  tag: string;
  access: Access;
  /** Of a public route: whoever comes with the root key is known. */
  rootSeesMore?: true;
  limit: RouteLimit;
  /** Requests with `Sync-Id` are charged to their plan instead. */
  syncUploads?: true;
  params?: P;
  query?: Q;
  /** The rule of another specification by which unknown fields of the query are passed over, not refused. */
  unknownQuery?: string;
  /** A JSON body; see `JSON_BOUNDS`. `optional`: an absent body reads as `{}`. */
  body?: { schema: B; bounds?: Partial<JsonBounds>; optional?: boolean };
  /** Media types of a body that the handler reads itself. */
  rawBody?: { contentTypes: readonly string[]; description: string };
  responses: Record<number, ResponseSpec>;
  handle(
    c: AppContext,
    input: { body: z.output<B>; query: z.output<Q>; params: z.output<P> },
  ): Response | Promise<Response>;
}

/** A mounted declaration; the schemas' types are erased, as the list of routes holds many. */
export interface Route {
  method: Method;
  path: string;
  access: Access;
  limit: RouteLimit;
  /** Unknown fields of query and body are refused; those of the path, its template names. */
  strict: boolean;
  mount(app: Hono<AppEnv>): void;
  document(registry: OpenAPIHono["openAPIRegistry"]): void;
}

const EMPTY = z.strictObject({});
type Empty = typeof EMPTY;

/** Declares a route. Query and body schemas must be strict objects: unknown fields are refused. */
export function defineRoute<
  B extends z.ZodType = Empty,
  Q extends z.ZodObject = Empty,
  P extends z.ZodObject = Empty,
>(spec: RouteSpec<B, Q, P>): Route {
  const query = (spec.query ?? EMPTY) as Q;
  const params = (spec.params ?? EMPTY) as P;
  return {
    method: spec.method,
    path: spec.path,
    access: spec.access,
    limit: spec.limit,
    strict: [
      ...(spec.unknownQuery === undefined ? [query] : []),
      ...(spec.body ? [spec.body.schema] : []),
    ].every(refusesUnknown),
    mount(app) {
      app.on(
        spec.method.toUpperCase(),
        honoPath(spec.path),
        routeIdentity(`${spec.method.toUpperCase()} ${spec.path}`),
        ...guards(spec),
        async (c) => {
          if (spec.rawBody) requireMediaType(c.req.raw, spec.rawBody.contentTypes);
          // In the order of refusals: 415 and 413 come before 400.
          const body = (spec.body ? await readBody(c, spec.body) : {}) as z.output<B>;
          const input = {
            params: (spec.params ? validate(params, c.req.param(), "/path") : {}) as z.output<P>,
            query: (spec.query || c.req.url.includes("?")
              ? validate(query, parseQuery(c.req.url), "/query")
              : {}) as z.output<Q>,
            body,
          };
          return await spec.handle(c, input);
        },
      );
    },
    document(registry) {
      registry.registerPath({
        method: spec.method,
        path: spec.path,
        operationId: operationId(spec.method, spec.path),
        summary: spec.summary,
        ...(spec.description ? { description: spec.description } : {}),
        tags: [spec.tag],
        security: spec.access === "public" ? [] : [{ bearer: [] }],
        ...(spec.limit ? { "x-rate-limit": spec.limit } : {}),
        "x-access": spec.access,
        request: {
          ...(spec.params ? { params: spec.params } : {}),
          ...(spec.query ? { query: spec.query } : {}),
          ...requestBody(spec.body, spec.rawBody),
        },
        responses: {
          ...documentedResponses(spec.responses),
          default: { $ref: "#/components/responses/Problem" },
        },
      } as Parameters<typeof registry.registerPath>[0]);
    },
  };
}

/** Policies of the routes, and of MCP's, whose answers hold what stands in files. */
const QUOTING: ReadonlySet<string> = new Set(["search", "ask", "inner"]);

/** What stands before a route, in the order of refusals; see `app.ts`. */
function guards({
  method,
  access,
  rootSeesMore,
  limit,
  syncUploads,
}: Pick<Route, "method" | "access" | "limit"> & {
  rootSeesMore?: true;
  syncUploads?: true;
}): MiddlewareHandler<AppEnv>[] {
  if (access === "public") return rootSeesMore ? [limitFailedCredentials(), recogniseRoot()] : [];
  const charge = syncUploads ? limitUpload : limitOperation;
  return [
    limitFailedCredentials(),
    authorise(access),
    // A policy's limiter confirms the credential too.
    limit === null || limit === "inner" ? confirmed(access) : charge(limit, access),
    ...(method === "post" || method === "put"
      ? [idempotent({ quotes: limit !== null && QUOTING.has(limit) })]
      : []),
  ];
}

/** Whether objects of the schema may hold nothing but what it names: each alternative of a union, too. */
function refusesUnknown(schema: z.ZodType): boolean {
  if (schema instanceof z.ZodObject) return schema.def.catchall instanceof z.ZodNever;
  if (schema instanceof z.ZodUnion) return schema.options.every((one) => refusesUnknown(one as z.ZodType));
  if (schema instanceof z.ZodPipe) return refusesUnknown(schema.in as z.ZodType);
  return false;
}

/** Logs, limits and events name the route, not the URL's spelling. */
function routeIdentity(route: string): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    c.set("route", route);
    await next();
  };
}

async function readBody<B extends z.ZodType>(
  c: AppContext,
  body: { schema: B; bounds?: Partial<JsonBounds>; optional?: boolean },
): Promise<z.output<B>> {
  const request = c.req.raw;
  const absent = request.body === null || request.headers.get("content-length") === "0";
  if (body.optional && absent) return validate(body.schema, {}, "");
  if (absent && !request.headers.has("content-type")) {
    throw new DevFlowError("unsupported_media_type", "Send the body as application/json.");
  }
  requireMediaType(request, ["application/json"]);
  return validate(body.schema, await readJson(request, { ...JSON_BOUNDS, ...body.bounds }), "");
}

function requestBody(
  body: { schema: z.ZodType; optional?: boolean } | undefined,
  rawBody: { contentTypes: readonly string[]; description: string } | undefined,
) {
  if (body) {
    return { body: { required: !body.optional, content: { "application/json": { schema: body.schema } } } };
  }
  if (rawBody) {
    const binary = { schema: { type: "string", format: "binary" } };
    const content = Object.fromEntries(rawBody.contentTypes.map((type) => [type, binary]));
    return { body: { required: true, description: rawBody.description, content } };
  }
  return {};
}

function documentedResponses(responses: Record<number, ResponseSpec>) {
  return Object.fromEntries(
    Object.entries(responses).map(([status, response]) => {
      const content =
        response.schema || response.contentType
          ? {
              content: {
                [response.contentType ?? "application/json"]: {
                  schema: response.schema ?? { type: "string" },
                },
                ...(response.events ? { "text/event-stream": { schema: { type: "string" } } } : {}),
              },
            }
          : {};
      return [status, { description: response.description, ...content }];
    }),
  );
}

/** `/v1/keys/{id}` → `/v1/keys/:id` */
export function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

/** `post /v1/auth/token` → `post_auth_token` */
function operationId(method: string, path: string): string {
  return `${method}${path.replace(/^\/v1/, "").replaceAll(/\W+/g, "_").replace(/_$/, "")}`;
}
