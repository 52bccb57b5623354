/** Whether the UTF-16 unit at the index is the first of a pair: a text cut behind it would end in half a character. */
export function isLeadSurrogate(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800;
}
