import { CommanderError } from "commander";
import { createContext } from "./context.ts";
import { tell } from "./failure.ts";
import { createProgram } from "./program.ts";

const interrupted = new AbortController();
process.once("SIGINT", () => {
  interrupted.abort(new DOMException("interrupted", "AbortError"));
  // A second one ends it at once.
  process.once("SIGINT", () => process.exit(130));
});
// A reader that has enough (head, less) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const context = createContext(interrupted.signal);
const program = createProgram(context);
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const asked = error instanceof Error && error.name === "ExitPromptError";
  if (interrupted.signal.aborted || asked) {
    context.note("Interrupted. The same command goes on where this one stopped.");
    return 130;
  }
  const { message, advice, detail } = tell(error);
  const { red, dim } = context.colors;
  context.note(`${red("error:")} ${message}`);
  if (advice !== null) context.note(advice);
  if (detail !== null) context.note(dim(program.opts()["verbose"] ? detail : "--verbose tells more."));
  return 1;
}
