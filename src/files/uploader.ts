/** Who uploads, for the job's record and for events. Null: not known any more, as in a queue's consumer. */
export interface Uploader {
  workspaceId: string;
  keyId: string | null;
  requestId: string | null;
  ip: string | null;
  route: string | null;
}
