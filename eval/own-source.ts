import { join } from "node:path";
import { type LabelledSet, readSet, readTree } from "./labelled-set.ts";

const PROJECT = join(import.meta.dirname, "..");
export const OWN_QUERIES = join(import.meta.dirname, "own-source.jsonl");

/** Folders that no query asks for, and that would only make the run longer. */
const LEFT_OUT = /^src\/(db|answers|backup|mcp|http\/routes|http\/schemas)\//;

/** Questions on the Worker's own sources, as they stand in this checkout: small enough to judge with every change. */
export function ownSourceSet(): LabelledSet {
  const files = readTree(PROJECT, ["src/**/*.ts"]).filter(({ path }) => !LEFT_OUT.test(path));
  return { ...readSet(OWN_QUERIES), files };
}
