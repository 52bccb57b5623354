import { packTar, type TarHeader } from "modern-tar";

/** An entry of a test archive: a file by its content, or any header. */
export type TestEntry = [name: string, content: string | Uint8Array] | { header: TarHeader };

export async function gzip(bytes: Uint8Array | string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([bytes as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

export function tar(entries: TestEntry[]): Promise<Uint8Array<ArrayBuffer>> {
  return packTar(
    entries.map((entry) => {
      if (!Array.isArray(entry)) return entry;
      const [name, content] = entry;
      const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
      return { header: { name, size: body.length }, body };
    }),
  );
}

export async function tarGz(entries: TestEntry[]): Promise<Uint8Array<ArrayBuffer>> {
  return gzip(await tar(entries));
}
