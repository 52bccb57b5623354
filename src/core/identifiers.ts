/**
 * Splits identifiers into the words that people search by: `getUserByName` → get user by name,
 * `HTTPServer2` → http server 2, `snake_case` → snake case. Lower-cased (Unicode), in order, duplicates kept.
 */
export function splitIdentifiers(text: string): string[] {
  const words: string[] = [];
  for (const [token] of text.matchAll(/[\p{L}\p{N}_$]+/gu)) {
    for (const word of splitIdentifier(token)) words.push(word);
  }
  return words;
}

/** Nothing to take apart, as in most names of code. */
export const ONE_WORD = /^(?:[a-z]+|[0-9]+)$/;

/** The words of one identifier, lower-cased. */
export function splitIdentifier(identifier: string): string[] {
  if (ONE_WORD.test(identifier)) return [identifier];
  return identifier
    .replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, "$1 $2")
    .replace(/(\p{Lu}+)(\p{Lu}\p{Ll})/gu, "$1 $2")
    .replace(/(\p{L})(\p{N})/gu, "$1 $2")
    .replace(/(\p{N})(\p{L})/gu, "$1 $2")
    .split(/[\s_$]+/u)
    .filter((word) => word !== "")
    .map((word) => word.toLowerCase());
}

/**
 * Puts a space between the words of each identifier and leaves everything else as it is, case included:
 * `getUserByName()` → `get User By Name()`. Queries are embedded in this form, as code is.
 */
export function spaceIdentifiers(text: string): string {
  return text
    .replaceAll(/(\p{Ll}|\p{N})(\p{Lu})/gu, "$1 $2")
    .replaceAll(/(\p{Lu})(\p{Lu}\p{Ll})/gu, "$1 $2")
    .replaceAll(/(?<=[\p{L}\p{N}])_+(?=[\p{L}\p{N}])/gu, " ");
}
