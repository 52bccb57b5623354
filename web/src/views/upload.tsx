import { useState } from "preact/hooks";
import type { DevFlowClient } from "../../../client/client.ts";
import type { Job, JobFile } from "../../../client/types.ts";
import { bytes, count } from "../format.ts";
import { NeedKey } from "../parts/need-key.tsx";
import { Problem } from "../parts/problem.tsx";

/** One upload: well under the 1,000 files and 32 MiB that the server takes. */
const BATCH_FILES = 200;
const BATCH_BYTES = 8 * 1024 * 1024;
/** Larger files are never indexed, so they are not sent. In bytes. */
const LARGEST = 1024 * 1024;

/** What was not indexed, and why. */
type Left = Pick<JobFile, "path" | "reason" | "message">;

interface Dropped {
  path: string;
  file: File;
}

export function UploadView() {
  return (
    <>
      <h1>Upload</h1>
      <NeedKey why="Uploading changes the workspace.">{(client) => <Uploader client={client} />}</NeedKey>
    </>
  );
}

function Uploader({ client }: { client: DevFlowClient }) {
  const [folder, setFolder] = useState("");
  const [over, setOver] = useState(false);
  const [sent, setSent] = useState<{ done: number; total: number } | null>(null);
  const [jobs, setJobs] = useState<Job[]>([]);
  const [left, setLeft] = useState<Left[]>([]);
  const [error, setError] = useState<unknown>(null);

  const follow = async (job: Job | null) => {
    if (job === null) return;
    for await (const now of client.followJob(job.id)) {
      setJobs((all) => [...all.filter(({ id }) => id !== now.id), now]);
    }
    const pages = await Promise.all(
      ["failed", "skipped"].map((status) => client.jobFiles(job.id, { status, limit: 100 })),
    );
    setLeft((all) => [...all, ...pages.flatMap(({ items }) => items)]);
  };
  const take = async (dropped: readonly Dropped[]) => {
    setError(null);
    const [only] = dropped;
    try {
      if (dropped.length === 1 && only !== undefined && /\.(zip|tar\.gz|tgz)$/i.test(only.path)) {
        setSent({ done: 0, total: 1 });
        const type = /\.zip$/i.test(only.path) ? "application/zip" : "application/gzip";
        const { job } = await client.uploadArchive(only.file, type, folder === "" ? {} : { path: folder });
        setSent({ done: 1, total: 1 });
        return await follow(job);
      }
      const known = dropped.filter(({ path }) => !/(^|\/)(\.git|node_modules)\//.test(path));
      const files = known.filter(({ file }) => file.size <= LARGEST);
      const large = known.filter(({ file }) => file.size > LARGEST);
      setLeft(large.map(({ path, file }) => ({ path, reason: "too_large", message: bytes(file.size) })));
      let done = 0;
      setSent({ done, total: files.length });
      const following: Promise<void>[] = [];
      for (const batch of batchesOf(files)) {
        const parts = batch.map(({ path, file }) => ({ path, content: file }));
        const { job } = await client.uploadFiles(parts, folder === "" ? {} : { folder });
        done += batch.length;
        setSent({ done, total: files.length });
        following.push(follow(job));
      }
      await Promise.all(following);
    } catch (cause) {
      setError(cause);
    }
  };
  const drop = async (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const entries = [...(event.dataTransfer?.items ?? [])].flatMap((item) => item.webkitGetAsEntry() ?? []);
    await take((await Promise.all(entries.map(filesBelow))).flat());
  };
  const chosen = (list: FileList | null) =>
    take([...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file })));

  return (
    <>
      <p>
        <label for="folder">Below the folder </label>
        <input
          id="folder"
          value={folder}
          placeholder="(the root)"
          onInput={(event) => setFolder(event.currentTarget.value.trim())}
        />
      </p>
      <section
        aria-label="Drop files here"
        class={over ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => void drop(event)}
      >
        <p>Drop a folder, files, a .zip or a .tar.gz here.</p>
        <label class="button">
          Choose files
          <input
            type="file"
            multiple
            class="hidden"
            onChange={(event) => void chosen(event.currentTarget.files)}
          />
        </label>{" "}
        <label class="button">
          Choose a folder
          <input
            type="file"
            class="hidden"
            {...{ webkitdirectory: true }}
            onChange={(event) => void chosen(event.currentTarget.files)}
          />
        </label>
      </section>
      {error !== null && <Problem error={error} />}
      {sent !== null && (
        <p>
          <label for="sent">Uploaded </label>
          <progress id="sent" value={sent.done} max={Math.max(1, sent.total)} /> {count(sent.done)} of{" "}
          {count(sent.total)} files
        </p>
      )}
      <ul class="jobs" aria-live="polite">
        {jobs.map((job) => (
          <JobRow key={job.id} job={job} />
        ))}
      </ul>
      {left.length > 0 && (
        <>
          <h2>Not indexed</h2>
          <ul>
            {left.map(({ path, message, reason }) => (
              <li key={path}>
                <code>{path}</code> {[reason, message].filter((part) => part !== null).join(": ")}
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

export function JobRow({ job }: { job: Job }) {
  const { files, chunks, tokens, status, eta_seconds: eta } = job;
  return (
    <li>
      <span>
        <code>{job.id}</code> {job.kind} <strong>{status}</strong>
      </span>{" "}
      <progress value={files.done} max={Math.max(1, files.total)} aria-label={`Job ${job.id}`} />{" "}
      <span class="quiet">
        {count(files.done)} of {count(files.total)} files, {count(chunks.total)} chunks, {count(tokens)}{" "}
        tokens
        {files.skipped > 0 ? `, ${count(files.skipped)} skipped` : ""}
        {files.failed > 0 ? `, ${count(files.failed)} failed` : ""}
        {eta === null || files.done === files.total ? "" : `, ${eta} s left`}
      </span>
      {job.error !== null && <span class="warning"> {job.error}</span>}
    </li>
  );
}

function* batchesOf(files: readonly Dropped[]): Generator<Dropped[]> {
  let batch: Dropped[] = [];
  let size = 0;
  // Ignore files first: the server's rules for all that follows stand in them.
  const rules = ({ path }: Dropped) => (/(^|\/)\.(git|devflow)ignore$/.test(path) ? 0 : 1);
  for (const dropped of files.toSorted((a, b) => rules(a) - rules(b))) {
    if (batch.length === BATCH_FILES || (batch.length > 0 && size + dropped.file.size > BATCH_BYTES)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(dropped);
    size += dropped.file.size;
  }
  if (batch.length > 0) yield batch;
}

async function filesBelow(entry: FileSystemEntry): Promise<Dropped[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [{ path: entry.fullPath.replace(/^\//, ""), file }];
  }
  if (entry.name === ".git" || entry.name === "node_modules") return [];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Dropped[] = [];
  // A reader gives a hundred entries at a time, and an empty list at the end.
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (entries.length === 0) return found;
    found.push(...(await Promise.all(entries.map(filesBelow))).flat());
  }
}
