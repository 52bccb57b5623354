/**
 * Text without case, for the trigram index: two characters that differ in case only (by Unicode's simple case
 * folding, `ſ` and `s`, the Kelvin sign and `k` included) become one. The number of code points stays. NUL, which ends
 * a text for SQLite's tokenizer, becomes a space.
 */
export function fold(text: string): string {
  // Nearly all code: no character has an odd partner.
  if (/^\p{ASCII}*$/u.test(text)) return text.toLowerCase().replaceAll("\0", " ");
  let folded = "";
  for (const char of text) folded += char === "\0" ? " " : foldCharacter(char);
  return folded;
}

function foldCharacter(char: string): string {
  const upper = char.toUpperCase();
  const lower = isOne(upper) ? upper.toLowerCase() : char.toLowerCase();
  return isOne(lower) ? lower : char;
}

function isOne(text: string): boolean {
  return text.length === 1 || (text.length === 2 && (text.codePointAt(0) ?? 0) > 0xffff);
}
