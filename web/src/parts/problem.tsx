import { ApiError, ConnectionError } from "../../../client/problem.ts";
import { logOut, session } from "../session.ts";

/** What went wrong and what to do, announced to screen readers. */
export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const expired = session.value !== null && error instanceof ApiError && error.problem.status === 401;
  return (
    <div class="problem" role="alert">
      <strong>{titleOf(error)}</strong> <span>{error instanceof Error ? error.message : String(error)}</span>
      {error instanceof ApiError && <small> Request {error.problem.request_id}</small>}
      {expired && (
        <button type="button" onClick={logOut}>
          Sign in again
        </button>
      )}
      {retry && !expired && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

function titleOf(error: unknown): string {
  if (error instanceof ConnectionError)
    return navigator.onLine ? "DevFlow does not answer." : "You are offline.";
  if (error instanceof ApiError) return `${error.problem.title}.`;
  return "That did not work.";
}
