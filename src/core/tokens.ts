/**
 * Tokens that the text is likely to cost, without a tokenizer: words and numbers a token for every four characters
 * begun, other visible characters one each, white space a sixteenth. Never 0 for visible text. Against the WordPiece
 * tokenizer of all-MiniLM-L6-v2 on 1,929 chunks of zod's sources: median 1.09 of the true count, 0.94 at the 5th
 * percentile, 1.23 at the 95th.
 */
export function estimateTokens(text: string): number {
  let tokens = 0;
  let run = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isWordCode(code)) {
      // A token begins at the first, fifth, ninth… character of a run.
      if (run % 4 === 0) tokens += 1;
      run++;
    } else {
      run = 0;
      tokens += code <= 32 ? 1 / 16 : 1;
    }
  }
  return tokens;
}

/** ASCII letters, digits and underscore. */
function isWordCode(code: number): boolean {
  return (
    (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95
  );
}

/**
 * At most this many tokens in any byte-level vocabulary (those of OpenAI's models): a token is at least one byte.
 * Unlike the estimate, it never lies low.
 */
export function maxTokensOf(text: string): number {
  return utf8Length(text);
}

/** Bytes of the text in UTF-8, counted without encoding it; a lone surrogate counts as U+FFFD does. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) bytes += 1;
    else if (code < 0x800) bytes += 2;
    else if (code >= 0xd800 && code <= 0xdbff && isLow(text.charCodeAt(i + 1))) {
      bytes += 4;
      i++;
    } else bytes += 3;
  }
  return bytes;
}

/** The longest prefix of at most `maxBytes` in UTF-8 that splits no surrogate pair. */
export function truncateUtf8(text: string, maxBytes: number): string {
  // Three bytes a unit is the most that UTF-8 takes.
  if (text.length * 3 <= maxBytes) return text;
  let bytes = 0;
  for (let i = 0; i < text.length; ) {
    const pair = isHigh(text.charCodeAt(i)) && isLow(text.charCodeAt(i + 1));
    const code = text.charCodeAt(i);
    bytes += pair ? 4 : code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
    if (bytes > maxBytes) return text.slice(0, i);
    i += pair ? 2 : 1;
  }
  return text;
}

const isHigh = (code: number) => code >= 0xd800 && code <= 0xdbff;
const isLow = (code: number) => code >= 0xdc00 && code <= 0xdfff;
