import { type Call, curlOf, type OpenApi, typeOf } from "./document.ts";
import { Prose } from "./prose.tsx";
import { Fields } from "./schema.tsx";

const WHO: Record<string, string> = {
  public: "anybody; no credential is read",
  root: "the root key",
  any: "any credential",
  api_key: "an API key, not a token",
  admin_key: "an API key with the scope admin",
  workspace: "any credential of a workspace",
  admin_or_root: "the scope admin, or the root key",
};

/** One call: who may make it, what it takes, what it answers, and a `curl`. */
export function CallArticle({ document, call }: { document: OpenApi; call: Call }) {
  const { method, path, operation } = call;
  const { parameters = [], requestBody: body, responses } = operation;
  const access = operation["x-access"];
  const limit = operation["x-rate-limit"];
  return (
    <details class="call" id={operation.operationId} open={location.hash === `#${operation.operationId}`}>
      <summary>
        <h3>
          <code class={`method ${method.toLowerCase()}`}>{method}</code> <code>{path}</code>{" "}
          <span class="said">{operation.summary}</span>
        </h3>
      </summary>
      <Prose text={operation.description ?? ""} />
      <p class="quiet">
        {access !== undefined && <>For {WHO[access] ?? `the scope ${access}`}. </>}
        {limit != null && (
          <>
            Charged to the rate limit <code>{limit}</code>.{" "}
          </>
        )}
        <a href={`#${operation.operationId}`}>Link to this call</a>
      </p>
      {parameters.length > 0 && (
        <>
          <h4>Parameters</h4>
          <dl class="fields">
            {parameters.map(({ name, in: place, required, description, schema }) => (
              <div key={`${place} ${name}`}>
                <dt>
                  <code>{name}</code>{" "}
                  <span class="quiet">
                    {typeOf(schema ?? {})}, in the {place}
                  </span>
                  {required === true && <span class="needed"> needed</span>}
                </dt>
                <dd>
                  <Prose text={description ?? schema?.description ?? ""} />
                </dd>
              </div>
            ))}
          </dl>
        </>
      )}
      {body !== undefined && (
        <>
          <h4>Body</h4>
          <Prose text={body.description ?? ""} />
          {Object.entries(body.content).map(([type, { schema }]) => (
            <div key={type}>
              <p class="quiet">{type}</p>
              {schema !== undefined && <Fields document={document} schema={schema} />}
            </div>
          ))}
        </>
      )}
      <h4>Answers</h4>
      {Object.entries(responses).map(([status, answer]) => (
        <Answer key={status} document={document} status={status} answer={answer} />
      ))}
      <h4>By curl</h4>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>
        <code>{curlOf(document, call)}</code>
      </pre>
    </details>
  );
}

function Answer({
  document,
  status,
  answer,
}: {
  document: OpenApi;
  status: string;
  answer: Call["operation"]["responses"][string];
}) {
  if (answer.$ref !== undefined)
    return (
      <p>
        <strong>4xx, 5xx</strong> a <a href="#errors">problem document</a>
      </p>
    );
  const [first] = Object.entries(answer.content ?? {});
  const schema = first?.[1].schema;
  return (
    <div class="answered">
      <p>
        <strong>{status}</strong> {answer.description}{" "}
        {first !== undefined && <span class="quiet">{Object.keys(answer.content ?? {}).join(", ")}</span>}
      </p>
      {schema !== undefined && first?.[0] === "application/json" && (
        <details>
          <summary>{typeOf(schema).startsWith("object") ? "fields" : `fields of ${typeOf(schema)}`}</summary>
          <Fields document={document} schema={schema} />
        </details>
      )}
    </div>
  );
}
