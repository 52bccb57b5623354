/**
 * Words of questions that say nothing of code. They are dropped from a full-text query as long as another word is
 * left; BM25 weighs all others by how rare they are in the workspace.
 */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about all also am an and any are as at be been but by can could did do does doing for from had has have how i
   in into is it its me my no not of on or our shall should so some such than that the their them then there these
   they this those to us was we were what when where which while who whom whose why will with would you your`.split(
    /\s+/,
  ),
);
