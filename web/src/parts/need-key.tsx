import type { ComponentChildren } from "preact";
import type { DevFlowClient } from "../../../client/client.ts";
import { giveKey, keyClient } from "../session.ts";
import { KeyForm } from "./key-form.tsx";

/** What changes something, or administers, needs the key itself: asked for once after each load of the page. */
export function NeedKey({
  why,
  children,
}: {
  why: string;
  children: (client: DevFlowClient) => ComponentChildren;
}) {
  if (keyClient.value !== null) return <>{children(keyClient.value)}</>;
  const label = `${why} Give your API key; this page keeps it in memory only.`;
  return <KeyForm id="again" label={label} placeholder="dvf_…" action="Go on" give={giveKey} />;
}
