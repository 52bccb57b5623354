import { useState } from "preact/hooks";
import type { DevFlowClient } from "../../../client/client.ts";
import type { Key } from "../../../client/types.ts";
import { time } from "../format.ts";
import { useLoaded } from "../parts/load.ts";
import { NeedKey } from "../parts/need-key.tsx";
import { Problem } from "../parts/problem.tsx";

const SCOPES = ["search", "index", "ask", "admin"] as const;

export function KeysView() {
  return (
    <>
      <h1>API keys</h1>
      <NeedKey why="Keys are for administrators.">{(client) => <Keys client={client} />}</NeedKey>
    </>
  );
}

function Keys({ client }: { client: DevFlowClient }) {
  const { loaded, reload } = useLoaded((signal) => client.keys({ limit: 100 }, signal), [client]);
  const [shown, setShown] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const change = async (work: () => Promise<string | null>) => {
    setError(null);
    try {
      setShown(await work());
      reload();
    } catch (cause) {
      setError(cause);
    }
  };
  return (
    <>
      <NewKey create={(name, scopes) => change(async () => (await client.createKey({ name, scopes })).key)} />
      {error !== null && <Problem error={error} />}
      {shown !== null && <ShownOnce text={shown} done={() => setShown(null)} />}
      {loaded.state === "loading" && <p class="quiet">Loading …</p>}
      {loaded.state === "failed" && <Problem error={loaded.error} retry={reload} />}
      {loaded.state === "done" && (
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Key</th>
              <th scope="col">Scopes</th>
              <th scope="col">Last used</th>
              <th scope="col">Ends</th>
              <th scope="col">
                <span class="hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {loaded.value.items.map((key) => (
              <KeyRow
                key={key.id}
                value={key}
                rotate={() => change(async () => (await client.rotateKey(key.id, 3600)).key)}
                revoke={() =>
                  change(async () => {
                    await client.revokeKey(key.id);
                    return null;
                  })
                }
              />
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function KeyRow({ value, rotate, revoke }: { value: Key; rotate: () => void; revoke: () => void }) {
  const [asking, setAsking] = useState(false);
  const ended = value.revoked_at !== null;
  return (
    <tr>
      <th scope="row">{value.name}</th>
      <td>
        <code>{value.prefix}…</code>
      </td>
      <td>{value.scopes.join(", ")}</td>
      <td>{time(value.last_used_at)}</td>
      <td>{ended ? `revoked ${time(value.revoked_at)}` : time(value.expires_at)}</td>
      <td>
        {!ended && !asking && (
          <>
            <button type="button" onClick={rotate} title="A new key; this one works for an hour more">
              Rotate
            </button>{" "}
            <button type="button" onClick={() => setAsking(true)}>
              Revoke
            </button>
          </>
        )}
        {asking && !ended && (
          <span role="alert">
            End it at once?{" "}
            <button type="button" class="danger" onClick={revoke}>
              Revoke {value.name}
            </button>{" "}
            <button type="button" onClick={() => setAsking(false)}>
              Keep
            </button>
          </span>
        )}
      </td>
    </tr>
  );
}

function NewKey({ create }: { create: (name: string, scopes: string[]) => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<string[]>(["search"]);
  return (
    <form
      class="new-key"
      onSubmit={(event) => {
        event.preventDefault();
        create(name, scopes);
        setName("");
      }}
    >
      <label for="name">Name of a new key</label>
      <input
        id="name"
        required
        maxLength={100}
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <fieldset>
        <legend>It may</legend>
        {SCOPES.map((scope) => (
          <label key={scope}>
            <input
              type="checkbox"
              checked={scopes.includes(scope)}
              onChange={(event) =>
                setScopes((all) =>
                  event.currentTarget.checked ? [...all, scope] : all.filter((one) => one !== scope),
                )
              }
            />{" "}
            {scope}
          </label>
        ))}
      </fieldset>
      <button type="submit" class="primary" disabled={scopes.length === 0}>
        Create
      </button>
    </form>
  );
}

function ShownOnce({ text, done }: { text: string; done: () => void }) {
  const [said, setSaid] = useState("Copy");
  // A browser gives its clipboard to a page over HTTPS or on this machine only.
  const copy = () =>
    (navigator.clipboard?.writeText(text) ?? Promise.reject(new Error("no clipboard"))).then(
      () => setSaid("Copied"),
      () => setSaid("Select the key and copy it"),
    );
  return (
    <div class="shown-once" role="alert">
      <p>The key is shown this once. Copy it now:</p>
      <p>
        <code>{text}</code>
      </p>
      <button type="button" onClick={() => void copy()}>
        {said}
      </button>{" "}
      <button type="button" onClick={done}>
        I have it
      </button>
    </div>
  );
}
