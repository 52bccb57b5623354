import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { settings } from "../../src/config.ts";
import { PROJECT } from "../stack/wrangler.ts";

const PAGE = join(PROJECT, "docs/configuration.md");
const HEADING = "## Settings of the Worker\n";
const HEAD = "| name | form | default | what |\n| --- | --- | --- | --- |\n";
/** What a cell says where nothing holds. */
const NOTHING = "–";

/** `docs/configuration.md` as it is, with the Worker's table made anew from the schema of its settings. */
export function configurationPage(): string {
  const page = readFileSync(PAGE, "utf8");
  const section = page.indexOf(HEADING);
  const start = page.indexOf(HEAD, section);
  if (section < 0 || start < 0) throw new Error(`${PAGE} has no table of the Worker's settings`);
  const end = page.indexOf("\n\n", start) + 1;
  const rows = Object.entries(settings.shape).map(
    ([name, setting]) =>
      `| \`${name}\` | ${formOf(setting)} | ${defaultOf(setting)} | ${descriptionOf(setting)} |\n`,
  );
  return page.slice(0, start) + HEAD + rows.join("") + page.slice(end);
}

type Setting = (typeof settings.shape)[keyof typeof settings.shape];

function formOf(setting: Setting): string {
  const form = setting.meta()?.["form"];
  if (typeof form === "string") return form;
  const schema = z.toJSONSchema(setting, { io: "input", unrepresentable: "any" });
  if (schema.minimum !== undefined) return `${schema.minimum} … ${schema.maximum}`;
  const choices = (schema.enum ?? enumOf(setting) ?? []).filter((choice) => choice !== "");
  if (choices.length === 0) throw new Error(`a setting needs a form: ${JSON.stringify(schema)}`);
  return choices.map((choice) => `\`${choice}\``).join(", ");
}

/** Choices behind a text that is first brought into its usual form. */
function enumOf(setting: Setting): unknown[] | undefined {
  return z.toJSONSchema(setting, { unrepresentable: "any" }).enum;
}

function defaultOf(setting: Setting): string {
  const told = setting.meta()?.["default"];
  if (typeof told === "string") return told;
  const { data } = setting.safeParse(undefined);
  if (["string", "number", "boolean"].includes(typeof data)) return `\`${data}\``;
  // A list or an object: as it is written.
  const { default: written } = z.toJSONSchema(setting, { io: "input", unrepresentable: "any" });
  return written === undefined || written === "" ? NOTHING : `\`${written}\``;
}

function descriptionOf(setting: Setting): string {
  const { description } = setting.meta() ?? {};
  if (description === undefined) throw new Error("a setting needs a description");
  return description;
}

if (import.meta.main) {
  writeFileSync(PAGE, configurationPage());
  console.log("docs/configuration.md is written.");
}
