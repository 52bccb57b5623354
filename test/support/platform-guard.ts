import { env } from "cloudflare:workers";
import { utf8Length } from "../../src/core/tokens.ts";

/**
 * Cloudflare's bounds that the local runtime does not enforce. Subrequests of one invocation: 10,000 on the paid plan
 * (1,000 until 2025), 50 on the free one.
 * https://developers.cloudflare.com/workers/platform/limits/ · d1/platform/limits · queues/platform/limits ·
 * durable-objects/platform/limits
 */
export const PLATFORM = {
  statementBytes: 100_000,
  boundParameters: 100,
  /** Of a row, a string or a blob, in D1 and in a Durable Object. */
  valueBytes: 2_000_000,
  messageBytes: 128_000,
  batchMessages: 100,
  batchBytes: 256_000,
  rpcBytes: 32 * 1024 * 1024,
} as const;

/** Calls and D1's statements in all, and the largest of each other thing, that an invocation did. */
export interface Used {
  subrequests: number;
  statements: number;
  statementBytes: number;
  boundParameters: number;
  valueBytes: number;
  messageBytes: number;
  batchMessages: number;
  batchBytes: number;
  rpcBytes: number;
}

export interface Guard {
  /** The bindings of the Worker under test, each call counted. */
  env: Env;
  used: Used;
  /** Gives `fetch` back, which is counted too until then. */
  stop(): void;
}

/** Counts what an invocation does, as its `env` and global `fetch` see it. One at a time. */
export function guardPlatform(): Guard {
  const used: Used = {
    subrequests: 0,
    statements: 0,
    statementBytes: 0,
    boundParameters: 0,
    valueBytes: 0,
    messageBytes: 0,
    batchMessages: 0,
    batchBytes: 0,
    rpcBytes: 0,
  };
  const note = (name: keyof Used, amount: number) => {
    used[name] = Math.max(used[name], amount);
  };
  const call = () => {
    used.subrequests++;
  };
  const all = env as unknown as Env;
  const bound = {
    ...all,
    DB: guardedDatabase(all.DB, note, call, (count) => {
      used.statements += count;
    }),
    BLOBS: counted(all.BLOBS, call),
    INDEXING: guardedQueue(all.INDEXING, note, call),
    INDEXING_BULK: guardedQueue(all.INDEXING_BULK, note, call),
    WORKSPACE_INDEX: guardedObjects(all.WORKSPACE_INDEX, note, call),
    BUDGET: guardedObjects(all.BUDGET, note, call),
    RATE_LIMITER: guardedObjects(all.RATE_LIMITER, note, call),
  } as unknown as Env;
  const plain = globalThis.fetch;
  globalThis.fetch = ((...args: Parameters<typeof fetch>) => {
    call();
    return plain(...args);
  }) as typeof fetch;
  return {
    env: bound,
    used,
    stop() {
      globalThis.fetch = plain;
    },
  };
}

type Note = (name: keyof Used, amount: number) => void;

/** Every method of the object counts as a call. */
function counted<T extends object>(target: T, call: () => void): T {
  return new Proxy(target, {
    get(object, name) {
      const value = Reflect.get(object, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        call();
        return value.apply(object, args);
      };
    },
  });
}

const RUNS = new Set<string | symbol>(["all", "run", "raw", "first"]);
/** A guarded statement to the one that D1 knows. */
const plainOf = new WeakMap<object, D1PreparedStatement>();

function guardedDatabase(
  database: D1Database,
  note: Note,
  call: () => void,
  run: (statements: number) => void,
): D1Database {
  const guarded = (statement: D1PreparedStatement): D1PreparedStatement => {
    const proxy = new Proxy(statement, {
      get(object, name) {
        const value = Reflect.get(object, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          if (name === "bind") {
            note("boundParameters", args.length);
            for (const one of args) note("valueBytes", sizeOf(one));
            return guarded(value.apply(object, args) as D1PreparedStatement);
          }
          if (RUNS.has(name)) {
            call();
            run(1);
          }
          return value.apply(object, args);
        };
      },
    });
    plainOf.set(proxy, statement);
    return proxy;
  };
  return new Proxy(database, {
    get(object, name) {
      if (name === "prepare") {
        return (sql: string) => {
          note("statementBytes", utf8Length(sql));
          return guarded(object.prepare(sql));
        };
      }
      if (name === "batch") {
        return (statements: D1PreparedStatement[]) => {
          call();
          run(statements.length);
          return object.batch(statements.map((one) => plainOf.get(one) ?? one));
        };
      }
      const value = Reflect.get(object, name);
      return typeof value === "function" ? value.bind(object) : value;
    },
  });
}

function guardedQueue(queue: Queue, note: Note, call: () => void): Queue {
  return new Proxy(queue, {
    get(object, name) {
      const value = Reflect.get(object, name);
      if (typeof value !== "function") return value;
      return (first: unknown, ...rest: unknown[]) => {
        call();
        const messages =
          name === "sendBatch" ? [...(first as Iterable<{ body: unknown }>)] : [{ body: first }];
        const sizes = messages.map(({ body }) => utf8Length(JSON.stringify(body)));
        note("batchMessages", messages.length);
        note(
          "batchBytes",
          sizes.reduce((sum, size) => sum + size, 0),
        );
        for (const size of sizes) note("messageBytes", size);
        return value.call(object, name === "sendBatch" ? messages : first, ...rest);
      };
    },
  });
}

function guardedObjects<T extends object>(namespace: T, note: Note, call: () => void): T {
  return new Proxy(namespace, {
    get(object, name) {
      const value = Reflect.get(object, name);
      if (typeof value !== "function") return value;
      if (name !== "get") return value.bind(object);
      return (...args: unknown[]) => {
        const stub = value.apply(object, args) as Record<string, (...args: unknown[]) => Promise<unknown>>;
        return new Proxy({} as Record<string, unknown>, {
          get(_, method) {
            if (typeof method !== "string" || method === "then") return undefined;
            return async (...sent: unknown[]) => {
              call();
              note("rpcBytes", sizeOf(sent));
              const answer = await stub[method]?.(...sent);
              note("rpcBytes", sizeOf(answer));
              return answer;
            };
          },
        });
      };
    },
  });
}

/** Bytes of a value as it is sent: as JSON, and bytes as they are. */
function sizeOf(value: unknown): number {
  if (value === undefined || value === null) return 1;
  if (typeof value === "string") return utf8Length(value);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength;
  return utf8Length(JSON.stringify(value));
}
