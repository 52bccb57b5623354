import { useState } from "preact/hooks";
import type { DevFlowClient } from "../../../client/client.ts";
import type { Backup, ChecklistItem, Job } from "../../../client/types.ts";
import { bytes, count, time } from "../format.ts";
import { KeyForm } from "../parts/key-form.tsx";
import { useLoaded } from "../parts/load.ts";
import { Problem } from "../parts/problem.tsx";
import { forgetRoot, giveRootKey, rootClient } from "../session.ts";

/** What the operator looks after: the checklist and backups, with the root key, which stays in memory. */
export function DeploymentView() {
  const client = rootClient.value;
  return (
    <>
      <h1>
        Deployment{" "}
        {client !== null && (
          <button type="button" onClick={forgetRoot}>
            Forget the root key
          </button>
        )}
      </h1>
      {client === null ? (
        <KeyForm id="root" label={ROOT_LABEL} action="Go on" give={giveRootKey} />
      ) : (
        <>
          <Checklist client={client} />
          <Backups client={client} />
        </>
      )}
    </>
  );
}

const ROOT_LABEL =
  "The checklist and backups are the operator’s. Give the deployment’s root key; this page keeps it in memory only, " +
  "until it is reloaded.";

const WORST_FIRST: readonly ChecklistItem["status"][] = ["fail", "unknown", "warn", "pass"];
const SIGNS: Record<ChecklistItem["status"], string> = { pass: "✓", warn: "!", fail: "✗", unknown: "?" };

function Checklist({ client }: { client: DevFlowClient }) {
  const { loaded, reload } = useLoaded((signal) => client.checklist(signal), [client]);
  return (
    <section aria-label="Checklist">
      <h2>
        Checklist{" "}
        <button type="button" onClick={reload} disabled={loaded.state === "loading"}>
          Run it again
        </button>
      </h2>
      {loaded.state === "loading" && <p class="quiet">Loading …</p>}
      {loaded.state === "failed" && <Problem error={loaded.error} retry={reload} />}
      {loaded.state === "done" && <Items items={loaded.value.items} />}
    </section>
  );
}

function Items({ items }: { items: readonly ChecklistItem[] }) {
  const sorted = items.toSorted((a, b) => WORST_FIRST.indexOf(a.status) - WORST_FIRST.indexOf(b.status));
  const counted = WORST_FIRST.map((status) => [
    status,
    items.filter((item) => item.status === status).length,
  ]);
  return (
    <>
      <p class="quiet">
        {counted
          .filter(([, number]) => number !== 0)
          .map(([status, number]) => `${number} ${status}`)
          .join(" · ")}
      </p>
      <ul class="checklist">
        {sorted.map(({ id, title, status, detail }) => (
          <li key={id} class={status}>
            <strong>
              <span aria-hidden="true">{SIGNS[status]} </span>
              {status}
            </strong>{" "}
            {title} <span class="quiet">{detail}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** While a backup is made: how often it is looked at. In milliseconds. */
const POLL_MS = 1000;

function Backups({ client }: { client: DevFlowClient }) {
  const { loaded, reload } = useLoaded((signal) => client.backups({ limit: 20 }, signal), [client]);
  const [job, setJob] = useState<Job | null>(null);
  const [error, setError] = useState<unknown>(null);
  const start = async () => {
    setError(null);
    try {
      let { job: now } = await client.createBackup();
      setJob(now);
      while (now.finished_at === null) {
        await new Promise((done) => setTimeout(done, POLL_MS));
        now = await client.job(now.id);
        setJob(now);
      }
      reload();
    } catch (cause) {
      setError(cause);
    }
  };
  const running = job !== null && job.finished_at === null;
  return (
    <section aria-label="Backups">
      <h2>
        Backups{" "}
        <button type="button" class="primary" onClick={start} disabled={running}>
          Back up now
        </button>
      </h2>
      <p class="quiet">
        Encrypted to the deployment’s age public keys. <a href="/docs/backup">How to restore one</a>; large
        ones are better fetched by <code>devflow backup download</code>, which goes on where it was cut off.
      </p>
      {error !== null && <Problem error={error} />}
      {job !== null && (
        <p aria-live="polite">
          <code>{job.id}</code> <strong>{job.status}</strong>{" "}
          {running && <progress aria-label="The backup is being made" />}{" "}
          {job.receipt?.["parts"] !== undefined && (
            <span class="quiet">part {String(job.receipt["parts"])}</span>
          )}
          {job.error !== null && <span class="warning"> {job.error}</span>}
        </p>
      )}
      {loaded.state === "loading" && <p class="quiet">Loading …</p>}
      {loaded.state === "failed" && <Problem error={loaded.error} retry={reload} />}
      {loaded.state === "done" && loaded.value.items.length === 0 && (
        <p class="quiet">There is no backup yet.</p>
      )}
      {loaded.state === "done" && loaded.value.items.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Backup</th>
              <th scope="col">State</th>
              <th scope="col">Made</th>
              <th scope="col">Size</th>
              <th scope="col">Holds</th>
              <th scope="col">
                <span class="hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {loaded.value.items.map((backup) => (
              <BackupRow key={backup.id} client={client} backup={backup} failed={setError} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function BackupRow({
  client,
  backup,
  failed,
}: {
  client: DevFlowClient;
  backup: Backup;
  failed: (error: unknown) => void;
}) {
  const [got, setGot] = useState<number | null>(null);
  const download = async () => {
    setGot(0);
    try {
      await save(`${backup.id}.tar`, await client.backupContent(backup.id, 0), setGot);
    } catch (cause) {
      failed(cause);
    }
    setGot(null);
  };
  const size = backup.bytes;
  return (
    <tr>
      <th scope="row">
        <code>{backup.id}</code>
      </th>
      <td>
        {backup.status} {backup.error !== null && <span class="warning">{backup.error}</span>}
      </td>
      <td>{time(backup.created_at)}</td>
      <td>{size === null ? "" : bytes(size)}</td>
      <td>{backup.counts === null ? "" : `${count(backup.counts.rows["files"] ?? 0)} files`}</td>
      <td>
        {size !== null && got === null && (
          <button type="button" onClick={download} aria-label={`Download ${backup.id}`}>
            Download
          </button>
        )}
        {size !== null && got !== null && <progress value={got} max={size} aria-label="Downloaded" />}
      </td>
    </tr>
  );
}

/** By fetch, as the key must not stand in an address. The browser keeps what has come, on disk where it is much. */
async function save(name: string, response: Response, onProgress: (bytes: number) => void): Promise<void> {
  let got = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(part, controller) {
      got += part.length;
      onProgress(got);
      controller.enqueue(part);
    },
  });
  const blob = await new Response(response.body?.pipeThrough(counter) ?? null).blob();
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
