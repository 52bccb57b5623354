import { rules } from "@secretlint/secretlint-rule-preset-recommend";

/**
 * The rule set that `findSecrets` applies. A file that was found clean under another one is looked at again before
 * it is indexed. A test keeps it equal to the installed version.
 */
export const SECRET_RULES = "secretlint-13.0.7";

/** In place of a rule set: an admin let the file through, whatever it holds. */
export const SECRETS_ALLOWED = "allowed";

/** Where a text holds what looks like a credential. Never the value, nor a part of it. */
export interface SecretFinding {
  /** Secretlint's id of the rule, without its scope: `aws`. */
  rule: string;
  /** Which of the rule's patterns: `AWSAccessKeyID`. */
  pattern: string;
  /** 1-based. */
  line: number;
}

/** Findings that are kept of one rule: the uploader needs to know that there are some and where to look. */
const MAX_FINDINGS_PER_RULE = 5;
const SCOPE = "@secretlint/secretlint-rule-";

/**
 * Comments that switch rules off are for the author of a repository. Here they would let anyone past who writes one:
 * what is let through is for an admin to say.
 */
const APPLIED = rules.filter(({ meta }) => meta.id !== `${SCOPE}filter-comments`);

/** Ends a rule that has reported enough. */
class Enough extends Error {}

/**
 * What secretlint's recommended preset finds in a text, by line. The rules' patterns are bounded: some
 * 30 ms a MiB, up to a second for text made to be slow.
 * @param path its name decides for a few rules, such as those for `.npmrc`.
 */
export async function findSecrets(text: string, path: string): Promise<SecretFinding[]> {
  const found: { rule: string; pattern: string; at: number }[] = [];
  for (const rule of APPLIED) {
    let reports = 0;
    const handler = rule.create(
      {
        sharedOptions: {},
        // The translated message quotes the value, so it is never made.
        createTranslator: () => (messageId) => ({
          messageId: String(messageId),
          message: "",
          data: {} as never,
        }),
        report({ message, range }) {
          const id = rule.meta.id.replace(SCOPE, "");
          found.push({ rule: id, pattern: message.messageId, at: range[0] });
          reports++;
          if (reports === MAX_FINDINGS_PER_RULE) throw new Enough();
        },
        ignore() {},
      },
      {} as Parameters<typeof rule.create>[1],
    );
    try {
      await handler.file?.(sourceOf(text, path) as Parameters<NonNullable<typeof handler.file>>[0]);
    } catch (error) {
      if (!(error instanceof Enough)) throw error;
    }
  }
  return withLines(text, found);
}

/** What the rules read of a source: they are written for files on disk, of which one (`.p12`) is opened again. */
function sourceOf(text: string, path: string) {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  const ext = dot < 0 ? "" : name.slice(dot);
  return { content: text, filePath: path, ext: ext === ".p12" ? "" : ext, contentType: "text" };
}

function withLines(text: string, found: { rule: string; pattern: string; at: number }[]): SecretFinding[] {
  const sorted = found.toSorted((a, b) => a.at - b.at);
  const findings: SecretFinding[] = [];
  let line = 1;
  let newline = text.indexOf("\n");
  for (const { rule, pattern, at } of sorted) {
    while (newline >= 0 && newline < at) {
      line++;
      newline = text.indexOf("\n", newline + 1);
    }
    const last = findings.at(-1);
    if (last?.line === line && last.rule === rule && last.pattern === pattern) continue;
    findings.push({ rule, pattern, line });
  }
  return findings;
}

/** Findings named in a message; the rest are counted. */
const NAMED = 5;

/** Why the file is left out, for its uploader: lines and rules, never a value. */
export function secretMessage(findings: readonly SecretFinding[]): string {
  const named = findings
    .slice(0, NAMED)
    .map(({ line, rule, pattern }) => `line ${line} (${SCOPE}${rule}: ${pattern})`);
  const rest = findings.length > NAMED ? ` and ${findings.length - NAMED} more` : "";
  return (
    `What looks like a secret is at ${named.join(", ")}${rest}. The file is neither stored nor indexed: take the ` +
    "secret out and revoke it, or have an admin upload the file with allow_secrets=true."
  );
}

/** Rules that found something, each once, for events. */
export function rulesOf(findings: readonly SecretFinding[]): string {
  return [...new Set(findings.map(({ rule }) => rule))].join(" ");
}
