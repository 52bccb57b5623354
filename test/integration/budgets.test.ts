import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { describe, expect, inject, it } from "vitest";
import { workspaces } from "../../src/db/schema.ts";
import { resumePausedJobs } from "../../src/indexing/pause.ts";
import { call, newWorkspace, ROOT_KEY, type TestWorkspace } from "../support/api.ts";
import { eventually, services } from "../support/indexing.ts";
import { jobFilesOf, type TestJob } from "../support/jobs.ts";
import { markerWord } from "../support/markers.ts";

const deps = services();
const { BUDGET } = env as unknown as Env;
const budgetOf = ({ id }: TestWorkspace) => BUDGET.get(BUDGET.idFromName(id));

/** A word that the stub before the embedding server counts; see `counting-proxy.ts`. */
function marker(kind: "ok" | "refused" | "silent" = "ok"): string {
  return markerWord("counted", kind);
}

async function callsWith(word: string): Promise<number> {
  const { origin } = new URL(inject<never>("embeddingsUrl" as never));
  return Number(await (await fetch(`${origin}/calls/${word}`)).text());
}

async function setBudget({ id }: TestWorkspace, tokens: number | null): Promise<void> {
  const body = { monthly_token_budget: tokens };
  const response = await call("PATCH", `/v1/workspaces/${id}`, { key: ROOT_KEY, body });
  expect(response.status).toBe(200);
}

async function upload({ key }: TestWorkspace, contents: Record<string, string>): Promise<TestJob> {
  const form = new FormData();
  for (const [path, content] of Object.entries(contents)) form.append("files", new Blob([content]), path);
  const response = await call("POST", "/v1/files", { key, raw: form });
  expect(response.status).toBe(202);
  return (await response.json<{ job: TestJob }>()).job;
}

interface Job extends TestJob {
  paused_for: string | null;
  chunks: { total: number; embedded: number; reused: number };
}

async function jobOf({ key }: TestWorkspace, id: string): Promise<Job> {
  return (await call("GET", `/v1/jobs/${id}`, { key })).json<Job>();
}

const settled = (workspace: TestWorkspace, id: string) =>
  eventually(
    () => jobOf(workspace, id),
    ({ status }) => status !== "queued" && status !== "running",
  );

describe("indexing within a budget", () => {
  it("calls nobody once it is spent, pauses, loses no file, and goes on when the budget is raised", async () => {
    const workspace = await newWorkspace();
    await setBudget(workspace, 0);
    const word = marker();
    const { id } = await upload(workspace, { "a.md": `# ${word} a`, "b/c.md": `# ${word} c` });
    expect(await settled(workspace, id)).toMatchObject({
      status: "paused",
      paused_for: "budget_exhausted",
      error: expect.stringMatching(
        /^This month's token budget is spent; it resets at .*-01T00:00:00\.000Z\.$/,
      ),
      files: { total: 2, done: 0, failed: 0 },
    });
    expect(await callsWith(word)).toBe(0);
    expect(await jobFilesOf(workspace.key, id)).toMatchObject([{ status: "pending" }, { status: "pending" }]);
    // Events are written after the work that they tell of.
    const told = await eventually(
      async () => {
        const url = "/v1/security_events?type=budget_exhausted";
        const events = await call("GET", url, { key: workspace.key });
        return (await events.json<{ items: { detail: object }[] }>()).items;
      },
      (items) => items.length > 0,
    );
    expect(told).toMatchObject([{ detail: { job_id: id } }]);

    // The cron leaves it alone while nothing is left.
    await resumePausedJobs(deps);
    expect((await jobOf(workspace, id)).status).toBe("paused");
    expect(await callsWith(word)).toBe(0);

    await setBudget(workspace, 100_000);
    // It goes on behind the answer to the change.
    const done = await eventually(
      () => jobOf(workspace, id),
      ({ status }) => status === "succeeded",
    );
    expect(done).toMatchObject({
      status: "succeeded",
      paused_for: null,
      error: null,
      files: { total: 2, done: 2, failed: 0 },
      chunks: { embedded: 2 },
    });
    expect(await callsWith(word)).toBe(1);
    const { spent, reserved } = await budgetOf(workspace).state();
    expect(spent).toBe(((await jobOf(workspace, id)) as unknown as { tokens: number }).tokens);
    expect(spent).toBeGreaterThan(4);
    expect(reserved).toBe(0);
  });

  it("spends what is left before it pauses, keeps what it paid for, and goes on by the cron", async () => {
    const workspace = await newWorkspace();
    const word = marker();
    // Each chunk may cost about 90 tokens, and costs fewer.
    const contents = Object.fromEntries(
      Array.from({ length: 8 }, (_, i) => [`f${i}.md`, `${word} number ${i} ${"word ".repeat(10)}`]),
    );
    await setBudget(workspace, 150);
    const { id } = await upload(workspace, contents);
    const paused = await settled(workspace, id);
    expect(paused).toMatchObject({ status: "paused", files: { failed: 0 } });
    const first = await budgetOf(workspace).state();
    expect(first.spent).toBeGreaterThan(0);
    expect(first.spent).toBeLessThanOrEqual(150);
    expect(first.reserved).toBe(0);

    // As a new month does, without anybody's request: the cron finds room.
    await deps.db
      .update(workspaces)
      .set({ monthlyTokenBudget: 10_000 })
      .where(eq(workspaces.id, workspace.id));
    expect(await resumePausedJobs(deps)).toBeGreaterThanOrEqual(1);
    expect(await settled(workspace, id)).toMatchObject({
      status: "succeeded",
      files: { done: 8, failed: 0 },
    });
    const { spent } = await budgetOf(workspace).state();

    // No text was paid for twice.
    const whole = await newWorkspace();
    await setBudget(whole, 10_000);
    expect(await settled(whole, (await upload(whole, contents)).id)).toMatchObject({ status: "succeeded" });
    expect(spent).toBe((await budgetOf(whole).state()).spent);
  });

  it("gives back the tokens of calls that the provider refused", async () => {
    const workspace = await newWorkspace();
    await setBudget(workspace, 1_000);
    const word = marker("refused");
    const embedder = services({ UPSTREAM_RETRIES: "1" }).embedderFor(workspace.id, 1_000);
    await expect(embedder.embed([word])).rejects.toMatchObject({ code: "upstream_unavailable" });
    expect(await callsWith(word)).toBe(2);
    expect(await budgetOf(workspace).state()).toMatchObject({ spent: 0, reserved: 0 });
  });

  it("keeps the tokens of each call that nobody answered set aside", async () => {
    const workspace = await newWorkspace();
    const word = marker("silent");
    const embedder = services({ UPSTREAM_RETRIES: "3" }).embedderFor(workspace.id, 1_000);
    await expect(embedder.embed([word])).rejects.toMatchObject({ code: "upstream_unavailable" });
    // What it can cost at most: a token a byte, and two markers.
    const most = word.length + 2;
    expect(await callsWith(word)).toBe(2);
    expect(await budgetOf(workspace).state()).toMatchObject({ spent: 0, reserved: 2 * most });
  });

  it("is never overspent by fifty calls at once", async () => {
    const workspace = await newWorkspace();
    const word = marker();
    const monthly = 10 * (word.length + 2);
    const embedder = deps.embedderFor(workspace.id, monthly);
    let most = 0;
    const watch = async () => {
      const { spent, reserved } = await budgetOf(workspace).state();
      most = Math.max(most, spent + reserved);
    };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, async () => {
        await Promise.all([embedder.embed([word]), watch()]);
        await watch();
      }),
    );
    const refused = outcomes.filter(({ status }) => status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(monthly);
    expect(most).toBeGreaterThan(0);
    expect(await callsWith(word)).toBe(50 - refused.length);
  });
});
