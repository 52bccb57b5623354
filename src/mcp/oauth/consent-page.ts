import { html } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";

export interface Consent {
  clientName: string;
  redirectHost: string;
  redirectIsLoopback: boolean;
  /** Where the form goes: the authorization request again, with its query. */
  action: string;
  scopes: readonly { name: string; meaning: string; checked: boolean }[];
  /** Why the last try was refused, or null. */
  refusal: string | null;
}

/** The page on which a person lets a client in, by an API key of theirs. It runs no script and leaves nothing in the browser; all values are escaped. */
export function consentPage(consent: Consent): HtmlEscapedString | Promise<HtmlEscapedString> {
  const { clientName, redirectHost, redirectIsLoopback, action, scopes, refusal } = consent;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Connect to DevFlow</title>
</head>
<body>
<main>
<h1>Let ${clientName} read your code?</h1>
<p>An application that calls itself <strong>${clientName}</strong> asks to use DevFlow on your behalf.
Its name is its own word. You will be sent on to <strong>${redirectHost}</strong>.</p>
${redirectIsLoopback ? html`<p>That is a program on this machine. Go on only if you have just started it.</p>` : ""}
${refusal === null ? "" : html`<p role="alert"><strong>${refusal}</strong></p>`}
<form method="post" action="${action}">
<p><label for="key">API key of your workspace</label><br>
<input id="key" name="key" type="password" autocomplete="off" spellcheck="false" size="60"></p>
<fieldset>
<legend>It may</legend>
${scopes.map(
  ({ name, meaning, checked }) =>
    html`<p><label><input type="checkbox" name="scope" value="${name}" ${checked ? "checked" : ""}> ${meaning}</label></p>`,
)}
</fieldset>
<p>The application never sees the key. Revoking the key ends its access at once.</p>
<p><button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></p>
</form>
</main>
</body>
</html>`;
}
