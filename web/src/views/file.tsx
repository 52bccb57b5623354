import { useEffect } from "preact/hooks";
import type { DevFlowClient } from "../../../client/client.ts";
import { address, go } from "../address.ts";
import { bytes } from "../format.ts";
import { Code } from "../parts/code.tsx";
import { Link } from "../parts/link.tsx";
import { useLoaded } from "../parts/load.ts";
import { Problem } from "../parts/problem.tsx";
import { session } from "../session.ts";

/** One file whole, with an outline of its symbols. */
export function FileView() {
  const { file, line } = address.value;
  const client = session.value?.client as DevFlowClient;
  const { loaded, reload } = useLoaded(
    async (signal) => {
      const [info, text] = await Promise.all([
        client.fileInfo(file, signal),
        client.fileText(file, {}, signal),
      ]);
      return { info, text };
    },
    [file, client],
  );
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape") go({ file: "", line: 0 });
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <article class="file">
      <h1>
        <Link to={{ file: "", line: 0 }}>← Back</Link> <span>{file}</span>
      </h1>
      {loaded.state === "loading" && <p class="quiet">Loading …</p>}
      {loaded.state === "failed" && <Problem error={loaded.error} retry={reload} />}
      {loaded.state === "done" && (
        <>
          <p class="quiet">
            {loaded.value.info.language} · {bytes(loaded.value.info.size)} · {loaded.value.info.chunks}{" "}
            chunks, cut by {loaded.value.info.chunked_by ?? "nobody yet"}
          </p>
          <div class="columns">
            <Code
              text={loaded.value.text}
              language={loaded.value.info.language}
              firstLine={1}
              label={file}
              {...(line > 0 ? { marked: { start: line, end: line } } : {})}
            />
            {loaded.value.info.symbols.length > 0 && (
              <nav class="outline" aria-label="Symbols of this file">
                <h2>Outline</h2>
                <ul>
                  {loaded.value.info.symbols.map((symbol) => (
                    <li key={`${symbol.start_line}:${symbol.name}`}>
                      <Link to={{ line: symbol.start_line }}>
                        {symbol.parent === null ? "" : `${symbol.parent}.`}
                        {symbol.name}
                      </Link>{" "}
                      <small>{symbol.kind}</small>
                    </li>
                  ))}
                </ul>
              </nav>
            )}
          </div>
        </>
      )}
    </article>
  );
}
