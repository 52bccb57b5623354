import { useRef, useState } from "preact/hooks";
import { ApiError } from "../../../client/problem.ts";
import type { Answer, Source } from "../../../client/types.ts";
import { address } from "../address.ts";
import { Link } from "../parts/link.tsx";
import { Problem } from "../parts/problem.tsx";
import { session } from "../session.ts";

interface Turn {
  question: string;
  text: string;
  sources: Source[];
  answer: Answer | null;
  error: unknown;
}

/** Questions and their answers as they come. Text stays text: nothing in it is made a link but checked citations. */
export function AskView() {
  const [question, setQuestion] = useState("");
  const [turns, setTurns] = useState<Turn[]>([]);
  const running = useRef<AbortController | null>(null);
  const [busy, setBusy] = useState(false);
  const last = (change: Partial<Turn>) =>
    setTurns((all) => all.map((turn, i) => (i === all.length - 1 ? { ...turn, ...change } : turn)));
  const submit = async (event: Event) => {
    event.preventDefault();
    const client = session.value?.client;
    if (client === undefined || question.trim() === "" || busy) return;
    const messages = turns
      .filter(({ answer }) => answer !== null)
      .flatMap((turn) => [
        { role: "user" as const, content: turn.question },
        { role: "assistant" as const, content: turn.answer?.answer ?? "" },
      ])
      .slice(-6);
    setTurns((all) => [...all, { question, text: "", sources: [], answer: null, error: null }]);
    setQuestion("");
    setBusy(true);
    running.current = new AbortController();
    let text = "";
    try {
      const { path } = address.value;
      const request = { question, messages, ...(path === "" ? {} : { path }) };
      for await (const part of client.askStream(request, running.current.signal)) {
        if (part.name === "sources") last({ sources: part.sources });
        else if (part.name === "delta") {
          text += part.text;
          last({ text });
        } else last({ answer: part.answer, text: part.answer.answer });
      }
    } catch (error) {
      const sources = error instanceof ApiError ? error.problem["sources"] : undefined;
      last({
        error: running.current.signal.aborted ? new Error("Stopped.") : error,
        ...(Array.isArray(sources) ? { sources } : {}),
      });
    }
    setBusy(false);
  };
  return (
    <>
      <h1>Ask about the code</h1>
      {turns.length === 0 && (
        <p class="quiet">The answer cites the lines that it comes from; each citation was checked.</p>
      )}
      <div aria-live="polite" aria-busy={busy}>
        {turns.map((turn, i) => (
          <AskedTurn key={i} turn={turn} />
        ))}
      </div>
      <form class="ask" onSubmit={submit}>
        <label for="question" class="hidden">
          Question
        </label>
        <textarea
          id="question"
          rows={3}
          maxLength={2000}
          placeholder="How does indexing recover from a crash?"
          value={question}
          onInput={(event) => setQuestion(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey) void submit(event);
          }}
        />
        {busy ? (
          <button type="button" onClick={() => running.current?.abort()}>
            Stop
          </button>
        ) : (
          <button type="submit" class="primary">
            Ask
          </button>
        )}
      </form>
    </>
  );
}

function AskedTurn({ turn }: { turn: Turn }) {
  const { question, text, sources, answer, error } = turn;
  return (
    <section class="turn">
      <h2>{question}</h2>
      {text === "" && error === null && (
        <p class="quiet">{sources.length === 0 ? "Searching …" : "Reading …"}</p>
      )}
      <div class="answer">{answer === null ? text : <Cited answer={answer} />}</div>
      {error !== null && <Problem error={error} />}
      {answer !== null && answer.citations.length === 0 && (
        <p class="warning">No citation could be verified: take this answer with care.</p>
      )}
      {sources.length > 0 && (
        <details open={answer === null}>
          <summary>{sources.length} sources</summary>
          <ul>
            {sources.map((source) => (
              <li key={source.n}>
                [{source.n}]{" "}
                <Link to={{ file: source.path, line: source.start_line }}>
                  {source.path}:{source.start_line}–{source.end_line}
                </Link>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

/** The answer with each `[n:start-end]` or `[n]` that was verified made a link to its lines. */
function Cited({ answer: { answer, citations } }: { answer: Answer }) {
  const parts = answer.split(/(\[\d+(?::\d+(?:-\d+)?)?\])/);
  return (
    <>
      {parts.map((part, i) => {
        const match = /^\[(\d+)(?::(\d+)(?:-(\d+))?)?\]$/.exec(part);
        const cited =
          match === null
            ? undefined
            : citations.find(
                ({ n, start_line: start }) =>
                  n === Number(match[1]) && (match[2] === undefined || start === Number(match[2])),
              );
        return cited === undefined ? (
          part
        ) : (
          <Link key={i} to={{ file: cited.path, line: cited.start_line }} class="citation">
            {part}
          </Link>
        );
      })}
    </>
  );
}
