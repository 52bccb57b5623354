import { LIMITS } from "../core/limits.ts";
import { ArchiveError } from "./archive-entry.ts";

/** Counts what goes in and what comes out of an archive, and stops one that goes past its bounds. */
export class ArchiveMeter {
  #packedBytes = 0;
  #unpackedBytes = 0;
  #entries = 0;

  packed(bytes: number): void {
    this.#packedBytes += bytes;
  }

  /** Bytes as they come out: what headers say is the archive's word only. Errors: `ArchiveError`. */
  unpacked(bytes: number): void {
    this.#unpackedBytes += bytes;
    if (this.#unpackedBytes > LIMITS.archiveUnpackedBytes) {
      throw new ArchiveError(`The archive unpacks to over ${LIMITS.archiveUnpackedBytes} bytes.`);
    }
    const bomb = this.#unpackedBytes > this.#packedBytes * LIMITS.archiveRatio;
    if (bomb && this.#unpackedBytes > LIMITS.archiveRatioFloorBytes) {
      throw new ArchiveError(`The archive unpacks to over ${LIMITS.archiveRatio} times its size.`);
    }
  }

  /** Errors: `ArchiveError`. */
  entries(count: number): void {
    this.#entries += count;
    if (this.#entries > LIMITS.archiveEntries) {
      throw new ArchiveError(`The archive has over ${LIMITS.archiveEntries} entries.`);
    }
  }
}
