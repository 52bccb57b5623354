import { useState } from "preact/hooks";
import { Problem } from "../parts/problem.tsx";
import { logIn } from "../session.ts";

export function LoginView() {
  const [key, setKey] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await logIn(key);
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  };
  return (
    <main class="page login">
      <h1>DevFlow</h1>
      <p>Search and ask about your team’s code.</p>
      <form onSubmit={submit}>
        <label for="key">API key</label>
        <input
          id="key"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          placeholder="dvf_…"
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
        <button type="submit" class="primary" disabled={busy}>
          {busy ? "Signing in …" : "Sign in"}
        </button>
      </form>
      {error !== null && <Problem error={error} />}
      <p class="quiet">
        This tab keeps a token that can search and ask for an hour. The key itself is forgotten when the page
        is reloaded.
      </p>
      <p class="quiet">
        <a href="/docs">API reference</a> · <a href="/openapi.json">OpenAPI</a>
      </p>
    </main>
  );
}
