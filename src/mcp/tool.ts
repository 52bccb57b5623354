import type { z } from "@hono/zod-openapi";
import type { Rest } from "./rest.ts";

export interface ToolAnswer<O> {
  /** What a model reads: short lines, places as `path:line`. */
  text: string;
  /** The same for programs. */
  structured: O;
}

/** A tool as data. Input and output are zod objects; both are shown to clients as JSON Schema. */
export interface ToolSpec<I extends z.ZodObject, O extends z.ZodObject> {
  name: string;
  title: string;
  /** What it is for, when to use it rather than another, what it answers: agents choose by this text alone. */
  description: string;
  input: I;
  output: O;
  run(rest: Rest, input: z.output<I>): Promise<ToolAnswer<z.input<O>>>;
}

/** A tool with its types erased, as the list of them holds many. */
export interface Tool extends Omit<ToolSpec<z.ZodObject, z.ZodObject>, "run"> {
  run(rest: Rest, input: Record<string, unknown>): Promise<ToolAnswer<Record<string, unknown>>>;
}

export function defineTool<I extends z.ZodObject, O extends z.ZodObject>(spec: ToolSpec<I, O>): Tool {
  return spec as unknown as Tool;
}
