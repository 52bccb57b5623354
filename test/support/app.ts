import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { createApp } from "../../src/app.ts";
import type { FetchJwks } from "../../src/auth/jwks.ts";
import { parseConfig } from "../../src/config.ts";
import { createIsolate } from "../../src/services.ts";

/** Settings that production takes; not secret, since nothing but tests uses them. */
export const PRODUCTION = {
  ENVIRONMENT: "production",
  ROOT_API_KEY: "Zk3vQ8xN1pR6tY0wB5sD9gH2jL4mC7aE_uFiOoKyXhV",
  JWT_SECRET: "q7W2eR9tY4uI1oP6aS3dF8gH5jK0lZxCvBnM_Q3ErTz",
  PUBLIC_HOSTS: "api.example.com",
};

export interface TestApp {
  /** Answers when the work behind the answer (events, for one) is done too. */
  fetch(url: string, init?: RequestInit): Promise<Response>;
  /** Answers as soon as a client would have the answer. */
  quick(url: string, init?: RequestInit): Promise<Response>;
}

/** The application under other settings, on the same stores. */
export function appWith(
  settings: Record<string, string>,
  bindings: Record<string, unknown> = {},
  fetchJwks?: FetchJwks,
): TestApp {
  const all = { ...env, ...settings };
  const parsed = parseConfig(all as Record<string, unknown>);
  const app = createApp(parsed, parsed.ok ? createIsolate(parsed.config, fetchJwks, 0) : null);
  const run = async (url: string, init: RequestInit = {}) => {
    const context = createExecutionContext();
    const target = url.startsWith("/") ? `http://localhost${url}` : url;
    const response = await app.fetch(
      new Request(target, init),
      { ...all, ...bindings } as unknown as Env,
      context,
    );
    return { response, context };
  };
  return {
    async fetch(url, init) {
      const { response, context } = await run(url, init);
      await waitOnExecutionContext(context);
      return response;
    },
    async quick(url, init) {
      return (await run(url, init)).response;
    },
  };
}

let lastAddress = 0;

/** An address that no other test uses (RFC 2544's range for benchmarks). */
export function freshAddress(): string {
  lastAddress++;
  return `198.18.${lastAddress >> 8}.${lastAddress & 255}`;
}
