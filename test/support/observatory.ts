import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** An answer whose headers are scored, and what plain HTTP answered in its place. */
export interface Captured {
  /** Over https, as a browser names it. */
  url: string;
  status: number;
  headers: Headers;
  /** Its text; pages are read for scripts and metas. */
  body: string;
  /** Status and Location of the same address over http. */
  redirect: { status: number; location: string | null };
}

interface Result {
  pass: boolean;
  result: string;
}

export interface Score {
  grade: string;
  score: number;
  results: Record<string, { pass: boolean; result: string; modifier: number }>;
}

/**
 * Mozilla's Observatory on captured headers: its tests, modifiers and grades; only its retriever is left out.
 * Its package downloads the HSTS preload list on installation, which we do not let it: without the list no host
 * counts as preloaded, which can only cost points.
 */
export async function observe(captured: Captured): Promise<Score> {
  const root = dirname(createRequire(import.meta.url).resolve("@mdn/mdn-http-observatory/package.json"));
  const preload = join(root, "conf", "hsts-preload.json");
  if (!existsSync(preload)) writeFileSync(preload, "{}");
  const load = (path: string) => import(pathToFileURL(join(root, "src", path)).href);
  const [{ ALL_TESTS }, grader, { MINIMUM_SCORE_FOR_EXTRA_CREDIT }] = await Promise.all([
    load("constants.js"),
    load("grader/grader.js"),
    load("grader/charts.js"),
  ]);
  const requests = await requestsOf(captured, load);
  const results: Score["results"] = {};
  let all = 100;
  let penalties = 100;
  for (const test of ALL_TESTS as ((requests: unknown) => Result)[]) {
    const { pass, result } = test(requests);
    const modifier = grader.getScoreModifier(result) as number;
    results[test.name] = { pass, result, modifier };
    all += modifier;
    if (modifier < 0) penalties += modifier;
  }
  // As its scanner does: extra credit counts only where the score is an A without it.
  const score = penalties >= MINIMUM_SCORE_FOR_EXTRA_CREDIT ? all : penalties;
  return { ...(grader.getGradeForScore(score) as { grade: string; score: number }), results };
}

async function requestsOf(captured: Captured, load: (path: string) => Promise<Record<string, unknown>>) {
  const { Requests } = (await load("types.js")) as {
    Requests: new (host: string) => Record<string, unknown>;
  };
  const { Session } = (await load("retriever/session.js")) as { Session: new (url: URL) => unknown };
  const { parseHttpEquivHeaders } = (await load("retriever/utils.js")) as {
    parseHttpEquivHeaders(html: string, url: string): Map<string, string[]>;
  };
  const url = new URL(captured.url);
  const response = {
    status: captured.status,
    headers: { ...Object.fromEntries(captured.headers), get: (name: string) => captured.headers.get(name) },
    data: captured.body,
    request: { headers: new Headers() },
    verified: true,
  };
  const html = captured.headers.get("content-type")?.includes("html") ?? false;
  const plain = new URL(captured.url.replace(/^https:/, "http:"));
  const { redirect } = captured;
  const httpRedirects = [{ url: plain, status: redirect.status }];
  if (redirect.location !== null)
    httpRedirects.push({ url: new URL(redirect.location), status: captured.status });
  return Object.assign(new Requests(url.hostname), {
    session: new Session(url),
    resources: { path: html ? captured.body : null },
    responses: {
      auto: { ...response, httpEquiv: html ? parseHttpEquivHeaders(captured.body, url.href) : new Map() },
      cors: response,
      http: { ...response, status: redirect.status },
      https: response,
      httpRedirects,
      httpsRedirects: [{ url, status: captured.status }],
    },
  });
}
