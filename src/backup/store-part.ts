import { createHash } from "node:crypto";
import { padding, TAR_END, tarHeader } from "./archive-format.ts";
import type { Entry } from "./part-entries.ts";

/** Pieces of a multipart upload: R2 takes 5 MiB and more, all of one size but for the last. */
const PIECE_BYTES = 8 * 1024 * 1024;

export interface StoredPart {
  bytes: number;
  sha256: string;
  plainBytes: number;
  plainSha256: string;
}

/**
 * Writes the entries as a tar, encrypted to the recipients, to one object, and reads it again to see that it is what
 * was written. Memory: one entry, and one piece of the upload.
 */
export async function storePart(
  blobs: R2Bucket,
  key: string,
  recipients: readonly string[],
  entries: AsyncIterable<Entry>,
  mtimeSeconds: number,
): Promise<StoredPart> {
  // Loaded on first use: no request needs it.
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);

  const plain = { hash: createHash("sha256"), bytes: 0 };
  const encrypted = { hash: createHash("sha256"), bytes: 0 };
  const tar = streamOf(tarOf(entries, mtimeSeconds), (chunk) => {
    plain.hash.update(chunk);
    plain.bytes += chunk.length;
  });
  const upload = await blobs.createMultipartUpload(key);
  try {
    const pieces: R2UploadedPart[] = [];
    const piece = new Uint8Array(PIECE_BYTES);
    let filled = 0;
    const flush = async () => {
      pieces.push(await upload.uploadPart(pieces.length + 1, piece.slice(0, filled)));
      filled = 0;
    };
    for await (const chunk of await encrypter.encrypt(tar)) {
      encrypted.hash.update(chunk);
      encrypted.bytes += chunk.length;
      for (let at = 0; at < chunk.length; ) {
        const taken = Math.min(PIECE_BYTES - filled, chunk.length - at);
        piece.set(chunk.subarray(at, at + taken), filled);
        filled += taken;
        at += taken;
        if (filled === PIECE_BYTES) await flush();
      }
    }
    if (filled > 0) await flush();
    await upload.complete(pieces);
  } catch (error) {
    await upload.abort().catch(() => {});
    throw error;
  }
  const sha256 = encrypted.hash.digest("hex");
  await verifyObject(blobs, key, { bytes: encrypted.bytes, sha256 });
  return { bytes: encrypted.bytes, sha256, plainBytes: plain.bytes, plainSha256: plain.hash.digest("hex") };
}

/** Errors: where the object is not what it should be. */
export async function verifyObject(
  blobs: R2Bucket,
  key: string,
  expected: { bytes: number; sha256: string },
): Promise<void> {
  const object = await blobs.get(key);
  if (object === null) throw new Error(`an object of the backup is gone: ${key}`);
  const hash = createHash("sha256");
  for await (const chunk of object.body) hash.update(chunk as Uint8Array);
  if (object.size === expected.bytes && hash.digest("hex") === expected.sha256) return;
  throw new Error(`an object of the backup reads otherwise than it was written: ${key}`);
}

async function* tarOf(entries: AsyncIterable<Entry>, mtimeSeconds: number): AsyncGenerator<Uint8Array> {
  for await (const { name, bytes } of entries) {
    yield tarHeader(name, bytes.length, mtimeSeconds);
    if (bytes.length > 0) yield bytes;
    const rest = padding(bytes.length);
    if (rest.length > 0) yield rest;
  }
  yield TAR_END;
}

function streamOf(
  chunks: AsyncGenerator<Uint8Array>,
  onChunk: (chunk: Uint8Array) => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) return controller.close();
      onChunk(value);
      controller.enqueue(value);
    },
    async cancel() {
      await chunks.return(undefined);
    },
  });
}
