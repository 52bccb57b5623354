import { createMiddleware } from "hono/factory";
import type { OperationPolicy } from "../../core/policy-names.ts";
import { claimUploads, releaseUploads, type SyncRow, selectWaits } from "../../db/syncs.ts";
import { findSync, openSyncJob, requireOpen, type SyncCaller } from "../../files/sync.ts";
import type { SyncUpload } from "../../files/sync-upload.ts";
import { type AppContext, type AppEnv, workspaceOf } from "../context.ts";
import type { Access } from "../route.ts";
import { parseQuery } from "../validate.ts";
import { chargeOperation, limitOperation } from "./rate-limit.ts";
import { confirmByLimiter } from "./standing.ts";

/**
 * As `limitOperation`, but for uploads with `Sync-Id`: they are charged to their plan, which takes each of its files
 * once. What the plan does not wait for, and whoever names a plan that is not theirs, is charged as ever.
 */
export function limitUpload(policy: OperationPolicy, access: Access) {
  const ordinary = limitOperation(policy, access);
  return createMiddleware<AppEnv>(async function limitUploadMiddleware(c, next) {
    const id = c.req.header("sync-id");
    const principal = c.get("principal");
    if (id === undefined || principal === undefined || principal.kind === "root") return ordinary(c, next);
    await confirmByLimiter(c, access);
    const charge = () => chargeOperation(c, policy, access, principal);
    let sync: SyncRow;
    try {
      sync = await findOpenSync(c, id);
    } catch (refused) {
      await charge();
      throw refused;
    }
    const upload = await syncUpload(c, sync, charge);
    c.set("syncUpload", upload);
    await next();
  });
}

async function findOpenSync(c: AppContext, id: string): Promise<SyncRow> {
  const { db, now } = c.get("services");
  const sync = await findSync({ db }, callerOf(c), id);
  requireOpen(sync, now());
  return sync;
}

export function callerOf(c: AppContext): SyncCaller {
  const { workspaceId, bucketId, keyId } = workspaceOf(c);
  return { workspaceId, bucketId, keyId, requestId: c.get("requestId") };
}

/** Charged as an ordinary request at once where the plan waits for nothing that it could hold. */
async function syncUpload(c: AppContext, sync: SyncRow, charge: () => Promise<unknown>): Promise<SyncUpload> {
  const { db, queue, now } = c.get("services");
  const path = c.req.method === "PUT" ? (parseQuery(c.req.url)["path"] ?? "").normalize("NFC") : null;
  const [answer] = await selectWaits(db, sync.id, path);
  let chargedApart = answer?.waits !== 1;
  if (chargedApart) await charge();
  let claimed: string[] = [];
  const giveBack = async () => {
    if (claimed.length > 0) await releaseUploads(db, sync.id, claimed);
    claimed = [];
  };
  return {
    folder: sync.path,
    useDefaultIgnores: sync.useDefaultIgnores,
    async charge(versions) {
      claimed = (await claimUploads(db, sync.id, versions)).map((one) => one.path);
      if (claimed.length === versions.length || chargedApart) return;
      chargedApart = true;
      try {
        await charge();
      } catch (refused) {
        await giveBack();
        throw refused;
      }
    },
    giveBack,
    openJob: () => openSyncJob({ db, queue, now }, callerOf(c), sync),
  };
}
