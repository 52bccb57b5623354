import type { AnswerEvent } from "../../answers/answer.ts";
import { ask } from "../../answers/ask.ts";
import { explain } from "../../answers/explain.ts";
import { DevFlowError } from "../../core/errors.ts";
import { parsePath, parseSelector } from "../../core/path.ts";
import { Secret } from "../../core/secret.ts";
import { answerDeps } from "../answering.ts";
import { type AppContext, workspaceOf } from "../context.ts";
import { eventStream, type ServerEvent } from "../event-stream.ts";
import { defineRoute } from "../route.ts";
import {
  AnswerSchema,
  AskRequestSchema,
  answerBody,
  ExplainRequestSchema,
  sourcesBody,
} from "../schemas/answer.ts";

const EVENTS =
  "With `stream`: `sources` (the sources, once the call is paid for), `delta` (`text` to append), `done` (the same " +
  "object as without `stream`). A request with `Last-Event-ID` asks anew. `X-OpenAI-Key`: a caller's own key, for this " +
  "request alone; the workspace's budget then pays for the search only.";
const RESPONSES = {
  200: { description: "The answer.", schema: AnswerSchema, events: true },
  402: {
    description: "The month's tokens are spent; nobody was called.",
    contentType: "application/problem+json",
  },
  503: {
    description: "`ai_not_configured`, with `sources`; or `upstream_unavailable`.",
    contentType: "application/problem+json",
  },
};

export const answerRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/ask",
    summary: "Ask a question about the workspace's code",
    description: `Each citation is checked against the sources; what names other lines is taken out and counted. ${EVENTS}`,
    tag: "Answers",
    access: "ask",
    limit: "ask",
    body: { schema: AskRequestSchema },
    responses: RESPONSES,
    handle(c, { body }) {
      const question = {
        question: body.question,
        messages: body.messages,
        path: parseSelector(body.path),
        contextFiles: [...new Set(body.context_files.map(parsePath))],
        limit: body.limit,
        maxOutputTokens: body.max_output_tokens ?? null,
      };
      const deps = depsOf(c);
      return answer(c, body.stream, (signal) => ask(deps, question, signal));
    },
  }),
  defineRoute({
    method: "post",
    path: "/v1/explain",
    summary: "Explain stored lines, or code of one's own",
    description: `With what search finds of it: callers, and the definitions of what it uses. ${EVENTS}`,
    tag: "Answers",
    access: "ask",
    limit: "ask",
    body: { schema: ExplainRequestSchema },
    responses: RESPONSES,
    handle(c, { body }) {
      const bounds = { limit: body.limit, maxOutputTokens: body.max_output_tokens ?? null };
      const what =
        body.code === undefined
          ? {
              path: parsePath(body.path ?? ""),
              startLine: body.start_line ?? null,
              endLine: body.end_line ?? null,
            }
          : { code: body.code, language: body.language ?? null };
      const deps = depsOf(c);
      return answer(c, body.stream, (signal) => explain(deps, { ...what, ...bounds }, signal));
    },
  }),
];

function depsOf(c: AppContext) {
  const timing = c.get("timing");
  const { workspaceId, keyId } = workspaceOf(c);
  return answerDeps(c.get("services"), c.get("config"), {
    workspaceId,
    keyId,
    callersKey: callersKey(c.req.header("x-openai-key")),
    measure: (phase, work) => timing.measure(phase, work),
  });
}

/** Errors: `invalid_request`, without a word of the key. */
function callersKey(header: string | undefined): Secret | null {
  if (header === undefined) return null;
  if (/^[\x21-\x7e]{1,512}$/.test(header)) return new Secret(header);
  const message = "Must be 1 to 512 visible ASCII characters.";
  throw new DevFlowError("invalid_request", `/header/X-OpenAI-Key: ${message}`, {
    errors: [{ pointer: "/header/X-OpenAI-Key", message }],
  });
}

function answer(
  c: AppContext,
  streamed: boolean,
  events: (signal: AbortSignal) => AsyncIterable<AnswerEvent>,
): Promise<Response> {
  return streamed ? eventStream(c, "ask", (signal) => wireEvents(events(signal))) : wholeAnswer(c, events);
}

async function wholeAnswer(
  c: AppContext,
  events: (signal: AbortSignal) => AsyncIterable<AnswerEvent>,
): Promise<Response> {
  let body: object = {};
  for await (const event of wireEvents(events(c.req.raw.signal))) {
    if (event.name === "done") body = event.body as object;
  }
  return c.json(body);
}

async function* wireEvents(events: AsyncIterable<AnswerEvent>): AsyncGenerator<ServerEvent> {
  let begin: Parameters<typeof sourcesBody>[0] | null = null;
  let id = 0;
  for await (const event of events) {
    id++;
    if (event.kind === "sources") {
      begin = event;
      yield { name: "sources", id: `${id}`, body: sourcesBody(event) };
    } else if (event.kind === "delta") yield { name: "delta", id: `${id}`, body: { text: event.text } };
    else if (begin !== null) yield { name: "done", id: `${id}`, body: answerBody(begin, event.answer) };
  }
}
