/** Name that requests ask for. */
export const MODEL_NAME = "all-MiniLM-L6-v2";

/** Numbers in an embedding. */
export const DIMENSIONS = 384;

/** Tokens of a text that the model reads, [CLS] and [SEP] among them; what follows is left out. */
export const MAX_TOKENS = 256;
