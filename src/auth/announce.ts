import { DevFlowError } from "../core/errors.ts";
import type { Limiters, RateLimiter } from "../core/limiter.ts";

const ATTEMPTS = 3;

/** Tells the bucket's limiter, which every use of its keys asks: only then does the change count as made. */
export async function announce(
  deps: { limiters: Limiters },
  bucketId: string,
  tell: (limiter: RateLimiter) => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      // A stub that failed once is not used again.
      return await tell(deps.limiters(`key:${bucketId}`));
    } catch (cause) {
      if (attempt < ATTEMPTS) continue;
      const detail = "The change is stored, but could not be announced everywhere; send it again.";
      throw new DevFlowError("upstream_unavailable", detail, { cause });
    }
  }
}
