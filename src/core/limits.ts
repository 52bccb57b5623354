/** Sizes in bytes that api.md calls limits. Each has a name, a unit and its reason; `docs/limits.md` lists them. */
const KIB = 1024;
const MIB = 1024 * KIB;

export const LIMITS = {
  /** A larger file is stored as skipped `too_large`: beyond this, files are data rather than source. */
  indexedFileBytes: 1 * MIB,
  /** Body of `PUT /v1/files`: held in memory while it is hashed. */
  putBodyBytes: 8 * MIB,
  /** Body of a multipart upload. */
  multipartBodyBytes: 32 * MIB,
  /** Files in one multipart upload: one D1 batch and one round of queue messages. */
  multipartFiles: 1000,
  /** Body of an archive upload: under the 100 MB that the platform takes. */
  archiveBodyBytes: 95 * MIB,
  archiveEntries: 100_000,
  archiveUnpackedBytes: 2 * 1024 * MIB,
  /** Unpacked to packed size, watched once `archiveRatioFloorBytes` came out. */
  archiveRatio: 200,
  archiveRatioFloorBytes: 10 * MIB,
  jsonBodyBytes: 1 * MIB,
  jsonDepth: 32,
  /** Members and elements of a JSON body together. */
  jsonValues: 10_000,
  syncBodyBytes: 32 * MIB,
  /** The object of a file, and its three members; with room for the plan's own. */
  syncValues: 500_000,
  /** Entries of one sync, and stored files that it may miss: a plan is made in memory. */
  syncFiles: 100_000,
  /** How long a plan takes uploads and may be committed. */
  syncSeconds: 3600,
  pathBytes: 1024,
  pathSegments: 64,
  queryCharacters: 2000,
  /** Code to find the like of: no model reads more at once. */
  similarCharacters: 32_768,
  searchResults: 50,
  /** Sources of one answer. */
  answerSources: 50,
  /** Tokens of one answer: what it may cost. */
  answerTokens: 16_384,
  /** Earlier turns of a conversation, and what each may hold: they are paid for again with every question. */
  conversationTurns: 40,
  turnCharacters: 20_000,
  contextFiles: 20,
  /** Code to explain that comes with the request. */
  explainedCharacters: 50_000,
  listItems: 100,
  /** Of the patterns that an index job leaves out, alternatives multiplied out: each path is tried on them all. */
  excludeCharacters: 8_000,
  /** Deletions up to this many files are done within the request. */
  inlineDeleteFiles: 1000,
  workspaceFiles: 1_000_000,
  workspaceBytes: 10 * 1024 * MIB,
  workspaceKeys: 100,
  workspaceRunningJobs: 10,
  /** No backup is kept longer: what was deleted is gone from all of them by then. */
  backupDays: 30,
} as const;
