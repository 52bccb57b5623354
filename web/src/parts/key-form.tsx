import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Problem } from "./problem.tsx";

/** Asks for a key, which no browser is to keep, and says why it is refused where it is. */
export function KeyForm(props: {
  id: string;
  label: ComponentChildren;
  placeholder?: string;
  action: string;
  busyAction?: string;
  /** Takes the key; rejects where it is no good. The form is gone once it resolves. */
  give: (key: string) => Promise<void>;
}) {
  const { id, label, placeholder, action, busyAction = action, give } = props;
  const [key, setKey] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await give(key);
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  };
  return (
    <form class="key-form" onSubmit={submit}>
      <label for={id}>{label}</label>
      <input
        id={id}
        type="password"
        autocomplete="off"
        spellcheck={false}
        required
        placeholder={placeholder}
        value={key}
        onInput={(event) => setKey(event.currentTarget.value)}
      />
      <button type="submit" class="primary" disabled={busy}>
        {busy ? busyAction : action}
      </button>
      {error !== null && <Problem error={error} />}
    </form>
  );
}
