import type { DevFlowClient } from "../../../client/client.ts";
import { bytes, count, time } from "../format.ts";
import { Bars } from "../parts/bars.tsx";
import { useLoaded } from "../parts/load.ts";
import { Problem } from "../parts/problem.tsx";
import { session } from "../session.ts";
import { JobRow } from "./upload.tsx";

export function StatusView() {
  const client = session.value?.client as DevFlowClient;
  const { loaded, reload } = useLoaded(
    async (signal) => {
      const [stats, jobs] = await Promise.all([client.stats(signal), client.jobs({ limit: 20 }, signal)]);
      return { stats, jobs };
    },
    [client],
  );
  if (loaded.state === "loading") return <p class="quiet">Loading …</p>;
  if (loaded.state === "failed") return <Problem error={loaded.error} retry={reload} />;
  const { stats, jobs } = loaded.value;
  const languages = Object.entries(stats.languages).sort(([, a], [, b]) => b - a);
  return (
    <>
      <h1>
        Index{" "}
        <button type="button" onClick={reload}>
          Refresh
        </button>
      </h1>
      {stats.files === 0 && (
        <p>
          Nothing is stored yet. Upload a folder, or run <code>devflow index</code>.
        </p>
      )}
      <dl class="facts">
        <dt>Files</dt>
        <dd>
          {count(stats.files)} ({bytes(stats.bytes)})
        </dd>
        <dt>Waiting</dt>
        <dd>{count(stats.pending_files)}</dd>
        <dt>Chunks</dt>
        <dd>
          {count(stats.chunks)}, {count(stats.vectors)} vectors
        </dd>
        <dt>Model</dt>
        <dd>
          {stats.embedding.model} ({stats.embedding.dimensions})
        </dd>
        <dt>Last indexed</dt>
        <dd>{time(stats.last_indexed_at)}</dd>
      </dl>
      {languages.length > 0 && (
        <Bars
          label="Files by language"
          rows={languages.slice(0, 12).map(([name, value]) => ({ name, value }))}
          format={count}
        />
      )}
      <h2>Jobs</h2>
      {jobs.items.length === 0 && <p class="quiet">No job has run yet.</p>}
      <ul class="jobs">
        {jobs.items.map((job) => (
          <JobRow key={job.id} job={job} />
        ))}
      </ul>
    </>
  );
}
