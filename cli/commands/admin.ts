import type { Command } from "commander";
import { whole } from "../arguments.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { CliError } from "../failure.ts";
import { bytes, count, dollars, plain, table } from "../format.ts";

export function registerKeys(program: Command, context: Context): void {
  const keys = program
    .command("keys")
    .description("API keys of the workspace (needs the scope admin)")
    .addHelpText(
      "after",
      "\nExamples:\n  devflow keys\n  devflow keys create CI --scopes search --days 90\n  devflow keys revoke key_…",
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const page = await context.client(options).keys({ limit: 100 }, context.signal);
      if (options.json) return context.print(JSON.stringify(page, null, 2));
      const rows = page.items.map((key) => [
        key.id,
        `${key.prefix}…`,
        key.scopes.join(","),
        key.revoked_at === null ? `expires ${key.expires_at ?? "never"}` : `revoked ${key.revoked_at}`,
        `used ${key.last_used_at ?? "never"}`,
        plain(key.name),
      ]);
      context.print(table(rows));
    });
  keys
    .command("create")
    .description("make a key; it is shown once")
    .argument("<name>")
    .option("--scopes <names...>", "search, index, ask, admin", ["search"])
    .option("--days <n>", "days until it expires", whole)
    .addHelpText("after", "\nExamples:\n  devflow keys create 'CI' --scopes search index --days 90")
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { scopes: string[]; days?: number }>();
      const expires =
        options.days === undefined ? null : new Date(Date.now() + options.days * 86_400_000).toISOString();
      const scopes = options.scopes.flatMap((scope) => scope.split(","));
      showKey(
        context,
        options,
        await context.client(options).createKey({ name, scopes, expires_at: expires }),
      );
    });
  keys
    .command("rotate")
    .description("put a new key in the place of an old one")
    .argument("<id>")
    .option("--grace <seconds>", "how long the old one still works, up to 604800", "0")
    .addHelpText("after", "\nExamples:\n  devflow keys rotate key_… --grace 3600")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { grace: string }>();
      showKey(context, options, await context.client(options).rotateKey(id, Number(options.grace)));
    });
  keys
    .command("revoke")
    .description("end a key, and its tokens, at once")
    .argument("<id>")
    .addHelpText("after", "\nExamples:\n  devflow keys revoke key_…")
    .action(async (id: string, _: unknown, command: Command) => {
      const key = await context.client(command.optsWithGlobals<GlobalOptions>()).revokeKey(id);
      context.note(`Revoked ${key.id} (${plain(key.name)}).`);
    });
}

function showKey(context: Context, options: GlobalOptions, key: { id: string; key: string | null }): void {
  if (key.key === null) throw new CliError("The key was made before, and is not shown again.");
  if (!options.json) context.note(`${key.id}; the key is shown this once:`);
  context.print(options.json ? JSON.stringify(key, null, 2) : key.key);
}

export function registerOperations(program: Command, context: Context): void {
  program
    .command("events")
    .description("security events, newest first (needs the scope admin)")
    .option("--type <type>", "such as auth_failed")
    .option("--since <time>", "RFC 3339, such as 2026-01-31T00:00:00Z")
    .option("-l, --limit <n>", "events, 1 to 100", whole, 20)
    .addHelpText(
      "after",
      "\nExamples:\n  devflow events\n  devflow events --type auth_failed --since 2026-01-31T00:00:00Z",
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<
        GlobalOptions & { type?: string; since?: string; limit: number }
      >();
      const { type, since, limit } = options;
      const query = {
        limit,
        ...(type === undefined ? {} : { type }),
        ...(since === undefined ? {} : { since }),
      };
      const page = await context.client(options).securityEvents(query, context.signal);
      if (options.json) return context.print(JSON.stringify(page, null, 2));
      for (const event of page.items) {
        const detail = Object.entries(event.detail).map(([name, value]) => `${name}=${value}`);
        const times = event.count > 1 ? ` ×${event.count}` : "";
        context.print(
          plain(
            `${event.at}  ${event.type}${times}  ${event.ip ?? ""}  ${event.route ?? ""}  ${detail.join(" ")}`,
          ),
        );
      }
    });
  program
    .command("usage")
    .description("requests, tokens and cost, by day or by key (needs the scope admin)")
    .option("--from <date>", "first day, such as 2026-01-01")
    .option("--to <date>", "last day")
    .option("--by <day|key>", "group by", "day")
    .addHelpText(
      "after",
      "\nExamples:\n  devflow usage\n  devflow usage --by key --from 2026-01-01 --to 2026-01-31",
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<
        GlobalOptions & { from?: string; to?: string; by: "day" | "key" }
      >();
      const { from, to, by } = options;
      const query = {
        group_by: by,
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
      };
      const { items } = await context.client(options).usage(query, context.signal);
      if (options.json) return context.print(JSON.stringify(items, null, 2));
      const head = [by, "requests", "embedded tokens", "chat in", "chat out", "stored", "cost"];
      const rows = items.map((item) => [
        item.day ?? item.key_id ?? "",
        count(item.requests),
        count(item.embedding_tokens),
        count(item.chat_input_tokens),
        count(item.chat_output_tokens),
        bytes(item.bytes_stored),
        dollars(item.cost_microusd),
      ]);
      context.print(table([head, ...rows]));
    });
  program
    .command("checklist")
    .description("the production checklist, computed by the server (needs the root key in DEVFLOW_KEY)")
    .addHelpText(
      "after",
      "\nExamples:\n  DEVFLOW_KEY=$ROOT_API_KEY devflow checklist --url https://devflow.example.com",
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { items } = await context.client(options).checklist(context.signal);
      const { green, yellow, red, dim } = context.colors;
      const paint = { pass: green, warn: yellow, fail: red, unknown: dim };
      if (options.json) context.print(JSON.stringify(items, null, 2));
      else
        for (const { status, title, detail } of items)
          context.print(`${paint[status](status.padEnd(7))} ${title}  ${dim(plain(detail))}`);
      const failed = items.filter(({ status }) => status === "fail").length;
      if (failed > 0) throw new CliError(`${failed} of ${items.length} items fail.`);
    });
}
