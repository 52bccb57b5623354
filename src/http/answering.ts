import type { AnswerDeps } from "../answers/answer.ts";
import type { Config } from "../config.ts";
import { newBoundary } from "../core/delimited.ts";
import type { Secret } from "../core/secret.ts";
import { selectWorkspace } from "../db/workspaces.ts";
import { type SearchDeps, search } from "../search/search.ts";
import type { Services } from "../services.ts";
import { searchDeps } from "./searching.ts";

export interface AnswerCaller {
  workspaceId: string;
  keyId: string;
  /** The caller's own key for the chat provider, for this request alone; null for the deployment's. */
  callersKey: Secret | null;
  measure: SearchDeps["measure"];
}

/** What the use cases `ask` and `explain` need, for one request, whichever protocol it came by. */
export function answerDeps(services: Services, config: Config, caller: AnswerCaller): AnswerDeps {
  const { workspaceId, keyId, callersKey, measure } = caller;
  const deps = searchDeps(services, config, { keyId, measure });
  return {
    index: services.workspaceIndex(workspaceId),
    async find({ text, mode, path, limit }) {
      const filter = { path, languages: [], extensions: [], kinds: [] };
      const all = { minScore: 0, maxTokens: null, cursor: null, verbatim: true };
      const { found, degraded } = await search(deps, workspaceId, {
        text,
        mode,
        filter,
        limit,
        ...all,
      });
      return { chunks: found.map(({ chunk }) => chunk), degraded: degraded.length > 0 };
    },
    async chat() {
      const [workspace] = await selectWorkspace(services.db, workspaceId);
      return services.chatFor(workspaceId, workspace?.monthlyTokenBudget ?? null, callersKey, keyId);
    },
    contextTokens: services.chatContextTokens,
    boundary: newBoundary,
  };
}
