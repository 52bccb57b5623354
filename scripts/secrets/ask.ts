import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline/promises";

/** One line. From a pipe as it is; from a terminal without showing what is typed. Empty where there is none. */
export async function askSecret(prompt: string): Promise<string> {
  if (!stdin.isTTY) {
    let text = "";
    for await (const part of stdin) text += part;
    return text.trim();
  }
  process.stderr.write(prompt);
  const lines = createInterface({ input: stdin, output: silent(), terminal: true });
  try {
    return (await lines.question("")).trim();
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}

/** Takes what readline would echo. */
function silent(): NodeJS.WritableStream {
  return Object.assign(Object.create(stdout), { write: () => true }) as NodeJS.WritableStream;
}
