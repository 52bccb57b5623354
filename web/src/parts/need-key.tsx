import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { DevFlowClient } from "../../../client/client.ts";
import { giveKey, keyClient } from "../session.ts";
import { Problem } from "./problem.tsx";

/** What changes something, or administers, needs the key itself: asked for once after each load of the page. */
export function NeedKey({
  why,
  children,
}: {
  why: string;
  children: (client: DevFlowClient) => ComponentChildren;
}) {
  const [key, setKey] = useState("");
  const [error, setError] = useState<unknown>(null);
  if (keyClient.value !== null) return <>{children(keyClient.value)}</>;
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await giveKey(key);
    } catch (cause) {
      setError(cause);
    }
  };
  return (
    <form class="need-key" onSubmit={submit}>
      <label for="again">{why} Give your API key; this page keeps it in memory only.</label>
      <input
        id="again"
        type="password"
        autocomplete="off"
        required
        placeholder="dvf_…"
        value={key}
        onInput={(event) => setKey(event.currentTarget.value)}
      />
      <button type="submit" class="primary">
        Go on
      </button>
      {error !== null && <Problem error={error} />}
    </form>
  );
}
