/** A description of the document: text with `code` in it, and nothing else of Markdown. */
export function Prose({ text }: { text: string }) {
  if (text === "") return null;
  return (
    <p>{text.split(/`([^`]+)`/).map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))}</p>
  );
}
