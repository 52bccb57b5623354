import { render } from "preact";
import { createPortal } from "preact/compat";
import { useEffect, useState } from "preact/hooks";
import "../style.css";
import "../handbook.css";
import { useLoaded } from "../parts/load.ts";
import { CallArticle } from "./call.tsx";
import { type Call, callsByTag, matches, type OpenApi } from "./document.ts";

/** Drawn from the document that this deployment serves, so it cannot lag behind. It asks for no credential. */
function Reference() {
  const { loaded, reload } = useLoaded(loadDocument, []);
  const [words, setWords] = useState("");
  useEffect(() => {
    if (loaded.state !== "done") return;
    // What a link names is drawn only now.
    const show = () => {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (target instanceof HTMLDetailsElement) target.open = true;
      target?.scrollIntoView();
    };
    show();
    addEventListener("hashchange", show);
    return () => removeEventListener("hashchange", show);
  }, [loaded]);
  if (loaded.state === "loading") return <p class="quiet">Loading …</p>;
  if (loaded.state === "failed")
    return (
      <div class="problem" role="alert">
        <strong>{navigator.onLine ? "The document cannot be read." : "You are offline."}</strong>
        <button type="button" onClick={reload}>
          Try again
        </button>
      </div>
    );
  const { value: openapi } = loaded;
  const tags = [...callsByTag(openapi)].map(
    ([tag, calls]) => [tag, calls.filter((call) => matches(call, words.trim()))] as const,
  );
  const shown = tags.filter(([, calls]) => calls.length > 0);
  return (
    <>
      {createPortal(
        <Contents words={words} setWords={setWords} tags={shown} />,
        document.getElementById("calls") as HTMLElement,
      )}
      <Introduction version={openapi.info.version} />
      {shown.length === 0 && <p class="quiet">No call is about “{words}”.</p>}
      {shown.map(([tag, calls]) => (
        <section key={tag}>
          <h2 id={anchorOf(tag)}>{tag}</h2>
          {calls.map((call) => (
            <CallArticle key={call.operation.operationId} document={openapi} call={call} />
          ))}
        </section>
      ))}
    </>
  );
}

function Contents({
  words,
  setWords,
  tags,
}: {
  words: string;
  setWords: (words: string) => void;
  tags: readonly (readonly [string, readonly Call[]])[];
}) {
  return (
    <>
      <label for="find">Find a call</label>
      <input
        id="find"
        type="search"
        placeholder="upload, keys, 202 …"
        value={words}
        onInput={(event) => setWords(event.currentTarget.value)}
      />
      <h2>Calls</h2>
      <ul>
        {tags.map(([tag, calls]) => (
          <li key={tag}>
            <a href={`#${anchorOf(tag)}`}>{tag}</a> <span class="quiet">{calls.length}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function Introduction({ version }: { version: string }) {
  return (
    <>
      <p>
        Version {version}, drawn from <a href="/openapi.json">/openapi.json</a>, which is OpenAPI 3.1. The{" "}
        <a href="/docs/api">API guide</a> walks through it with curl.
      </p>
      <h2 id="credentials">Credentials</h2>
      <p>
        <code>Authorization: Bearer …</code> carries an API key (<code>dvf_…</code>), a token that{" "}
        <code>POST /v1/auth/token</code> makes of one, or the root key. This page takes none and keeps none:
        the examples read <code>DEVFLOW_URL</code> and <code>DEVFLOW_KEY</code> from the environment.
      </p>
      <h2 id="errors">Errors</h2>
      <p>
        Every 4xx and 5xx is <code>application/problem+json</code> (RFC 9457):{" "}
        <code>{"{type, title, status, detail, code, request_id, retryable, errors?}"}</code>. The{" "}
        <code>code</code> is for programs, the <code>detail</code> for people, the <code>request_id</code> for
        support.
      </p>
    </>
  );
}

const anchorOf = (tag: string) => `calls-${tag.toLowerCase().replaceAll(/\W+/g, "-")}`;

async function loadDocument(signal: AbortSignal): Promise<OpenApi> {
  const response = await fetch("/openapi.json", { signal, credentials: "omit" });
  if (!response.ok) throw new Error(`/openapi.json answered ${response.status}`);
  return (await response.json()) as OpenApi;
}

const root = document.getElementById("reference");
if (root === null) throw new Error("the page has no element #reference");
render(<Reference />, root);
