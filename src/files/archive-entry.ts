/** The archive is at fault; the message is for clients. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
}

/** What an entry holds, read once and in bounded memory. */
export type Content =
  | { kind: "file"; bytes: Uint8Array }
  /** Larger than what is indexed: hashed while it streamed past. */
  | { kind: "large"; size: number; sha256: string };

/** One entry of an archive, in the archive's order. Folders are left out: a folder is where its files are. */
export interface ArchiveEntry {
  /** From 1, the same in every reading of the archive. */
  number: number;
  /** As the archive has it: any string; one that is not UTF-8 ends in a NUL, which no path may hold. */
  name: string;
  /** Why it is no plain file, in a word for clients: a link, a device, encrypted; null for files. */
  special: { reason: "ignored" | "binary"; message: string } | null;
  /**
   * The content. To be called at most once, before the next entry is asked for; what is not read is passed over.
   * Errors: `ArchiveError` where the entry is damaged or not as its header says, or a bound of the archive is reached.
   */
  read(): Promise<Content>;
  /** In place of `read`: checks the content where passing it over would not. Errors: as `read`. */
  verify(): Promise<void>;
}

/** An archive that can be read from its beginning any number of times. */
export interface Archive {
  /** Errors: `ArchiveError` for a malformed container. What the store throws comes through as it is. */
  entries(): AsyncGenerator<ArchiveEntry>;
}
