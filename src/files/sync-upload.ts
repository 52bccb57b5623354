import type { UploadedVersion } from "../db/syncs.ts";

/** A plan that an upload belongs to. */
export interface SyncUpload {
  /** What the sync is of; null is the workspace. */
  folder: string | null;
  useDefaultIgnores: boolean;
  /**
   * Charges the files to the plan, each that it names once, and the request to the ordinary policy where any is not.
   * Errors: `rate_limited`.
   */
  charge(versions: readonly UploadedVersion[]): Promise<void>;
  /** Takes the charges back. */
  giveBack(): Promise<void>;
  /** The sync's job. Errors: those of `openSyncJob`. */
  openJob(): Promise<string>;
}
