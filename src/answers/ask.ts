import type { ChatMessage } from "../core/ports.ts";
import { type AnswerBounds, type AnswerDeps, type AnswerEvent, answerFrom } from "./answer.ts";
import { searchesFor } from "./question.ts";
import { contextOf, neighboursOf, retrieve } from "./retrieve.ts";
import { regionOf } from "./source.ts";

export interface Question extends AnswerBounds {
  question: string;
  /** Earlier turns of the conversation, oldest first. */
  messages: readonly ChatMessage[];
  /** A file, or a folder with all below it, to which the search keeps; null for all. */
  path: string | null;
  /** Files that the question is about: shown first. */
  contextFiles: readonly string[];
}

/**
 * Answers a question about the workspace's code. Searches, files of the question and the model's account are asked for
 * side by side; then one call for what stands beside the best.
 * Errors: those of `answerFrom`, and of a search.
 */
export async function* ask(
  deps: AnswerDeps,
  question: Question,
  signal: AbortSignal,
): AsyncGenerator<AnswerEvent> {
  const before = question.messages.findLast(({ role }) => role === "user")?.content ?? null;
  const searches = searchesFor(question.question, before);
  const [chat, found, context] = await Promise.all([
    deps.chat(),
    retrieve(deps, searches, question.path),
    contextOf(deps, question.question, question.contextFiles),
  ]);
  const chunks = [...context.chunks, ...found.chunks];
  const material = {
    question: question.question,
    history: question.messages,
    regions: chunks.map(regionOf),
    extensions: await neighboursOf(deps, found.chunks),
    missingFiles: context.missing,
    degraded: found.degraded,
  };
  yield* answerFrom(deps, chat, material, question, signal);
}
