import { isLeadSurrogate } from "../../core/surrogates.ts";

/** At most `units` UTF-16 units, no surrogate pair split; what was cut ends in an ellipsis. */
export function truncate(text: string, units: number): string {
  if (text.length <= units) return text;
  const cut = text.slice(0, units - 1);
  return `${isLeadSurrogate(cut, cut.length - 1) ? cut.slice(0, -1) : cut}…`;
}
