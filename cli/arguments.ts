import { InvalidArgumentError } from "commander";
import { CHUNK_KINDS } from "../src/core/chunk.ts";

/** Values of options, read from what was typed. Each throws what the command then says of the option. */

/** A word after the other would be taken for the query: so one a time, or several with commas. */
export function collected(text: string, before: string[] = []): string[] {
  return [...before, ...text.split(",").filter((name) => name !== "")];
}

export function kinds(text: string, before: string[] = []): string[] {
  const all = collected(text, before);
  const unknown = all.find((kind) => !CHUNK_KINDS.some((one) => one === kind));
  if (unknown !== undefined) throw new InvalidArgumentError(`There are ${CHUNK_KINDS.join(", ")}.`);
  return all;
}

export function upToFifty(text: string): number {
  const number = whole(text);
  if (number > 50)
    throw new InvalidArgumentError("A whole number from 1 to 50; --cursor goes on after them.");
  return number;
}

export function whole(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("A whole number from 1.");
  return Number(text);
}

export function upward(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("A whole number from 0.");
  return Number(text);
}

/** From 0 to 1, both included. */
export function share(text: string): number {
  const number = decimal(text);
  if (number === null || number > 1) throw new InvalidArgumentError("A number from 0 to 1, such as 0.3.");
  return number;
}

/** Below nothing, so that anything is above it, too. */
export function dollars(text: string): number {
  const number = text.startsWith("-") ? decimal(text.slice(1)) : decimal(text);
  if (number === null) throw new InvalidArgumentError("A number of dollars, such as 2.50.");
  return text.startsWith("-") ? -number : number;
}

function decimal(text: string): number | null {
  return /^(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : null;
}
