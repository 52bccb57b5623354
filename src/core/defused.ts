/**
 * Text of a source without what a reader could take for the end of one, or a model's server for the end of a turn:
 * our delimiters, and the control tokens of chat templates (`<|im_end|>`, `[/INST]`, `</s>`, `<start_of_turn>`), which
 * some servers read within content. A space within is all that changes. Control characters but tabs, and characters
 * that nobody sees, are shown as `�`: instructions can hide in them.
 */
export function defused(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(HIDDEN, "\uFFFD")
    .replaceAll(/<(?=<<\s*\/?\s*(?:source|end)\b)/gi, "< ")
    .replaceAll(/<(?=\|)/g, "< ")
    .replaceAll(/<(?=\/?(?:s|bos|eos|start_of_turn|end_of_turn)>)/gi, "< ")
    .replaceAll(/\[(?=\/?(?:INST|SYS|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])/gi, "[ ")
    .replaceAll(/<(?=<\/?SYS>>)/gi, "< ");
}

/** Control characters but tab, tags (U+E0000 ff.), directions and zero-width characters but the joiners. */
const HIDDEN = /(?!\t)[\p{Cc}\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;

/** Lines of code for a model to read, with what nobody sees shown as `�`: instructions can hide in it. */
export function withHiddenShown(text: string): string {
  return text.replaceAll(HIDDEN, (hidden) => (/[\n\r]/.test(hidden) ? hidden : "\uFFFD"));
}
