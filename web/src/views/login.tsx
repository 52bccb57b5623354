import { KeyForm } from "../parts/key-form.tsx";
import { logIn } from "../session.ts";

export function LoginView() {
  return (
    <main class="page login">
      <h1>DevFlow</h1>
      <p>Search and ask about your team’s code.</p>
      <KeyForm
        id="key"
        label="API key"
        placeholder="dvf_…"
        action="Sign in"
        busyAction="Signing in …"
        give={logIn}
      />
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
