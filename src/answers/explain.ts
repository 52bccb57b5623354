import { DevFlowError } from "../core/errors.ts";
import type { StoredChunk } from "../core/ports.ts";
import { type AnswerBounds, type AnswerDeps, type AnswerEvent, answerFrom } from "./answer.ts";
import { definedIn, namesInCode } from "./question.ts";
import { definitionsOf, fused } from "./retrieve.ts";
import { joined, pastedRegion, type Region, regionOf, within } from "./source.ts";

export type Explained = AnswerBounds &
  (
    | { path: string; startLine: number | null; endLine: number | null }
    | { code: string; language: string | null }
  );

/** Names that the code uses, whose definitions are looked for. */
const USED_NAMES = 12;
/** Names that it defines, whose callers are looked for. */
const DEFINED_NAMES = 3;
const CALLERS = 8;
/** Regions of a long file that come before callers and definitions. */
const LEADING = 6;
const MANY = 400;
const LAST_LINE = 2 ** 31;

/**
 * Explains stored lines, or code that came with the request, with what search finds of it: who uses the names that it
 * defines, and where the names that it uses are defined.
 * Errors: those of `answerFrom`; `not_found` where the index holds no such lines.
 */
export async function* explain(
  deps: AnswerDeps,
  what: Explained,
  signal: AbortSignal,
): AsyncGenerator<AnswerEvent> {
  const [chat, target] = await Promise.all([
    deps.chat(),
    "code" in what ? pasted(what.code) : stored(deps, what.path, what.startLine, what.endLine),
  ]);
  const related = await relatedTo(deps, target);
  const material = {
    question: questionOf(what),
    history: [],
    regions: [
      ...target.regions.slice(0, LEADING),
      ...related.map(regionOf),
      ...target.regions.slice(LEADING),
    ],
    extensions: [],
    missingFiles: [],
    degraded: false,
  };
  yield* answerFrom(deps, chat, material, what, signal);
}

interface Target {
  regions: Region[];
  /** Names that it defines. */
  defined: string[];
}

function pasted(code: string): Target {
  return { regions: [pastedRegion(code)], defined: definedIn(code).slice(0, DEFINED_NAMES) };
}

async function stored(
  { index }: Pick<AnswerDeps, "index">,
  path: string,
  startLine: number | null,
  endLine: number | null,
): Promise<Target> {
  const range = { path, startLine: startLine ?? 1, endLine: endLine ?? LAST_LINE };
  const [chunks = []] = await index.fileChunks([range], MANY);
  const regions: Region[] = [];
  for (const chunk of chunks) {
    const region = within(regionOf(chunk), range.startLine, range.endLine);
    if (region === null) continue;
    const last = regions.at(-1);
    const both = last === undefined ? null : joined(last, region);
    if (both === null) regions.push(region);
    else regions[regions.length - 1] = both;
  }
  if (regions.length === 0) {
    throw new DevFlowError("not_found", "Nothing is indexed at this path within these lines.");
  }
  // Files that no syntax tree was made of have no symbols.
  const names = [...chunks.flatMap(({ symbol }) => symbol ?? []), ...definedIn(codeOf(regions))];
  return { regions, defined: [...new Set(names)].slice(0, DEFINED_NAMES) };
}

/** Callers and definitions, by turns; nothing that is shown already. */
async function relatedTo(deps: AnswerDeps, { regions, defined }: Target): Promise<StoredChunk[]> {
  const used = namesInCode(codeOf(regions), USED_NAMES).filter((name) => !defined.includes(name));
  const [definitions, mentions, ...callers] = await Promise.all([
    definitionsOf(deps, used, null),
    // In files without symbols, definitions are found by their words alone.
    deps.find({ text: used.join(" "), mode: "lexical", path: null, limit: CALLERS }),
    ...defined.map(async (name) => {
      const found = await deps.find({ text: name, mode: "lexical", path: null, limit: CALLERS });
      return found.chunks.filter(({ text }) => text.includes(name));
    }),
  ]);
  const lists = [...callers, definitions].map((chunks) => ({ chunks, weight: 1 }));
  return fused([...lists, { chunks: mentions.chunks, weight: 0.5 }]).filter(
    (chunk) =>
      !regions.some(
        ({ path, startLine, endLine }) =>
          path === chunk.path && chunk.startLine <= endLine && chunk.endLine >= startLine,
      ),
  );
}

function codeOf(regions: readonly Region[]): string {
  return regions.flatMap(({ lines }) => lines).join("\n");
}

function questionOf(what: Explained): string {
  const language = "code" in what && what.language !== null ? ` (${what.language})` : "";
  return (
    `Explain source 1${language}: what it does, how it does it step by step, what it depends on and who uses it, as far ` +
    "as the other sources show that, and what is easy to get wrong."
  );
}
