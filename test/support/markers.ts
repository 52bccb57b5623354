/**
 * A word for a question to a stand-in: it chooses what that one does, and tells one test's calls from another's. Of
 * letters alone, since a search takes a number in it for a word of its own, and finds the lines that hold that number.
 */
export function markerWord<Kind extends string>(prefix: "ask" | "counted", kind: Kind): string {
  const letters = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) =>
    String.fromCharCode("a".charCodeAt(0) + (byte % 26)),
  );
  return `${prefix}${kind}${letters.join("")}`;
}
