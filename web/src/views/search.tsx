import { useEffect, useRef, useState } from "preact/hooks";
import type { SearchAnswer, SearchHit, SearchMode } from "../../../client/types.ts";
import { address, go } from "../address.ts";
import { Code } from "../parts/code.tsx";
import { Link } from "../parts/link.tsx";
import { Problem } from "../parts/problem.tsx";
import { session } from "../session.ts";

const MODES: readonly [SearchMode, string][] = [
  ["hybrid", "Meaning and words"],
  ["semantic", "Meaning"],
  ["lexical", "Words"],
  ["regex", "Pattern"],
  ["symbol", "Symbol"],
];
/** After the last letter typed: a search a word, not a letter. In milliseconds. */
const TYPING_MS = 250;
const PAGE = 10;

export function SearchView() {
  const { q, mode, path, lang } = address.value;
  const input = useRef<HTMLInputElement>(null);
  const results = useResults();
  useKeys(input, results.answer?.results ?? []);
  return (
    <>
      <h1 class="hidden">Search</h1>
      <search>
        <form class="search" onSubmit={(event) => event.preventDefault()}>
          <label for="q" class="hidden">
            Search the code
          </label>
          <input
            id="q"
            ref={input}
            type="search"
            autofocus
            placeholder="What does the code do, or what is it called?  (press / to come here)"
            value={q}
            onInput={(event) => go({ q: event.currentTarget.value }, "replace")}
          />
          <label>
            Mode{" "}
            <select value={mode} onChange={(event) => go({ mode: event.currentTarget.value }, "replace")}>
              {MODES.map(([value, words]) => (
                <option key={value} value={value}>
                  {words}
                </option>
              ))}
            </select>
          </label>
          <label>
            Path{" "}
            <input
              type="text"
              size={16}
              placeholder="src"
              value={path}
              onInput={(event) => go({ path: event.currentTarget.value }, "replace")}
            />
          </label>
          <label>
            Language{" "}
            <input
              type="text"
              size={10}
              placeholder="typescript"
              value={lang}
              onInput={(event) => go({ lang: event.currentTarget.value }, "replace")}
            />
          </label>
        </form>
      </search>
      <p class="quiet" aria-live="polite">
        {statusOf(q, results)}
      </p>
      {results.error !== null && <Problem error={results.error} retry={results.again} />}
      <ol class="hits">
        {results.answer?.results.map((hit) => (
          <Hit key={hit.chunk_id} hit={hit} query={q} />
        ))}
      </ol>
      {results.answer?.next_cursor != null && (
        <button type="button" onClick={results.more} disabled={results.busy}>
          More
        </button>
      )}
    </>
  );
}

function statusOf(q: string, { busy, answer, error }: Results): string {
  if (q.trim() === "")
    return "Ask in plain words, or type a name, an error text, a path. / focuses, arrows walk, Enter opens.";
  if (busy && answer === null) return "Searching …";
  if (error !== null || answer === null) return "";
  const { results, degraded, index, took_ms: took } = answer;
  const words =
    results.length === 0
      ? "Nothing was found. Try other words, or mode Pattern for an exact text."
      : `${results.length} results in ${took} ms`;
  const notes = [
    ...(degraded?.length ? ["found by words alone: the vector index does not answer"] : []),
    ...(index.pending_files > 0 ? [`${index.pending_files} files are not indexed yet`] : []),
  ];
  return [words, ...notes].join(" · ");
}

interface Results {
  answer: SearchAnswer | null;
  busy: boolean;
  error: unknown;
  more(): void;
  again(): void;
}

function useResults(): Results {
  const { q, mode, path, lang } = address.value;
  const client = session.value?.client;
  const [answer, setAnswer] = useState<SearchAnswer | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [attempt, setAttempt] = useState(0);
  const request = {
    query: q,
    mode: mode as SearchMode,
    limit: PAGE,
    ...(path.trim() === "" ? {} : { path: path.trim() }),
    ...(lang.trim() === "" ? {} : { languages: lang.split(/[\s,]+/).filter((name) => name !== "") }),
  };
  useEffect(() => {
    setError(null);
    if (q.trim() === "" || client === undefined) {
      setAnswer(null);
      setBusy(false);
      return;
    }
    const controller = new AbortController();
    setBusy(true);
    const timer = setTimeout(async () => {
      try {
        setAnswer(await client.search(request, controller.signal));
      } catch (cause) {
        if (!controller.signal.aborted) setError(cause);
      }
      if (!controller.signal.aborted) setBusy(false);
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [q, mode, path, lang, client, attempt]);
  const more = async () => {
    if (answer?.next_cursor == null || client === undefined) return;
    setBusy(true);
    try {
      const next = await client.search({ ...request, cursor: answer.next_cursor });
      setAnswer({ ...next, results: [...answer.results, ...next.results] });
    } catch (cause) {
      setError(cause);
    }
    setBusy(false);
  };
  return { answer, busy, error, more, again: () => setAttempt((count) => count + 1) };
}

function Hit({ hit, query }: { hit: SearchHit; query: string }) {
  const [similar, setSimilar] = useState<SearchHit[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const client = session.value?.client;
  const findSimilar = async () => {
    if (client === undefined) return;
    try {
      const { results } = await client.similar({ code: hit.text, limit: 6 });
      setSimilar(results.filter(({ chunk_id: id }) => id !== hit.chunk_id));
    } catch (cause) {
      setError(cause);
    }
  };
  return (
    <li class="hit">
      <h2>
        <Link to={{ file: hit.path, line: hit.start_line }} class="place">
          {hit.path}:{hit.start_line}
        </Link>{" "}
        {hit.symbol !== null && (
          <span class="symbol">
            {hit.kind} {hit.parent === null ? "" : `${hit.parent}.`}
            {hit.symbol}
          </span>
        )}{" "}
        <span class="score" title="Score, 0 to 1">
          {hit.score.toFixed(2)}
        </span>
      </h2>
      <Code
        text={hit.text}
        language={hit.language}
        firstLine={hit.start_line}
        highlights={hit.highlights}
        label={`${hit.path}, lines ${hit.start_line} to ${hit.end_line}`}
      />
      <p class="actions">
        <button type="button" onClick={findSimilar}>
          Find similar
        </button>
        <Rate chunk={hit.chunk_id} query={query} />
      </p>
      {error !== null && <Problem error={error} />}
      {similar !== null && (
        <ul class="similar" aria-label="Similar code">
          {similar.length === 0 && <li class="quiet">Nothing similar was found.</li>}
          {similar.map((one) => (
            <li key={one.chunk_id}>
              <Link to={{ file: one.path, line: one.start_line }}>
                {one.path}:{one.start_line}
              </Link>{" "}
              {one.symbol} <span class="score">{one.score.toFixed(2)}</span>
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}

function Rate({ chunk, query }: { chunk: string; query: string }) {
  const [given, setGiven] = useState<"up" | "down" | null>(null);
  const rate = async (rating: "up" | "down") => {
    await session.value?.client.feedback({ chunk_id: chunk, query, rating });
    setGiven(rating);
  };
  if (given !== null) return <span class="quiet">Thank you.</span>;
  return (
    <>
      <button type="button" onClick={() => void rate("up").catch(() => {})}>
        Helpful
      </button>
      <button type="button" onClick={() => void rate("down").catch(() => {})}>
        Not helpful
      </button>
    </>
  );
}

/** `/` goes to the field; arrows walk through the results, Enter opens one (as links do), Esc comes back. */
function useKeys(input: { current: HTMLInputElement | null }, hits: readonly SearchHit[]): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
      if (event.key === "/" && !typing) {
        event.preventDefault();
        input.current?.focus();
        return;
      }
      if (event.key === "Escape") {
        input.current?.focus();
        return;
      }
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      if (typing && target !== input.current) return;
      const places = [...document.querySelectorAll<HTMLElement>(".hit .place")];
      if (places.length === 0) return;
      const at = places.indexOf(document.activeElement as HTMLElement);
      const next = event.key === "ArrowDown" ? at + 1 : at - 1;
      event.preventDefault();
      if (next < 0) input.current?.focus();
      else places[Math.min(next, places.length - 1)]?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [input, hits]);
}
