import { readFileSync } from "node:fs";
import { join } from "node:path";
import { styleText } from "node:util";

/**
 * Prints the production checklist of a running deployment; exits 1 where an item fails, 2 where it cannot be asked.
 * Asks DEVFLOW_URL with ROOT_API_KEY; where they are not set, the local stack (its state: DEVFLOW_STATE, .devflow).
 */
interface Item {
  id: string;
  title: string;
  status: "pass" | "warn" | "fail" | "unknown";
  detail: string;
}

const LOOK = {
  pass: { mark: "✓", style: "green" },
  warn: { mark: "!", style: "yellow" },
  fail: { mark: "✗", style: "red" },
  unknown: { mark: "?", style: "cyan" },
} as const;

function target(): { url: string; key: string } {
  const { DEVFLOW_URL, ROOT_API_KEY, DEVFLOW_STATE } = process.env;
  if (DEVFLOW_URL && ROOT_API_KEY) return { url: DEVFLOW_URL, key: ROOT_API_KEY };
  const file = join(DEVFLOW_STATE || ".devflow", "local.json");
  try {
    const local = JSON.parse(readFileSync(file, "utf8")) as { url: string; root_key: string };
    return { url: DEVFLOW_URL ?? local.url, key: ROOT_API_KEY ?? local.root_key };
  } catch {
    return giveUp(`Set DEVFLOW_URL and ROOT_API_KEY, or start the local stack (there is no ${file}).`);
  }
}

async function ask(): Promise<Item[]> {
  const { url, key } = target();
  try {
    const response = await fetch(`${url.replace(/\/+$/, "")}/v1/checklist`, {
      headers: { authorization: `Bearer ${key}` },
      redirect: "error",
      signal: AbortSignal.timeout(30_000),
    });
    const body = (await response.json()) as { items?: Item[]; detail?: string };
    if (response.ok && body.items !== undefined) return body.items;
    return giveUp(`${url} answered ${response.status}: ${body.detail ?? ""}`);
  } catch (error) {
    return giveUp(`${url} does not answer: ${error instanceof Error ? error.message : error}`);
  }
}

function giveUp(message: string): never {
  console.error(message);
  process.exit(2);
}

/** Colours follow the terminal, NO_COLOR and FORCE_COLOR: `styleText` looks at the stream. */
function line({ status, title, detail }: Item): string {
  const { mark, style } = LOOK[status];
  return `${styleText(style, `${mark} ${status.padEnd(7)}`)} ${title}\n          ${styleText("dim", detail)}`;
}

const items = await ask();
for (const item of items) console.log(line(item));
const count = (status: Item["status"]) => items.filter((item) => item.status === status).length;
console.log(
  `\n${count("pass")} pass, ${count("warn")} warn, ${count("fail")} fail, ${count("unknown")} unknown`,
);
process.exitCode = count("fail") > 0 ? 1 : 0;
