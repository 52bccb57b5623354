import { createColors } from "picocolors";
import { DevFlowClient } from "../client/client.ts";
import { readLogin } from "./settings.ts";

type Colors = ReturnType<typeof createColors>;

export interface GlobalOptions {
  url?: string;
  json?: boolean;
  verbose?: boolean;
}

/** What commands work with: a client, and where words go. Results go to stdout, all else to stderr. */
export interface Context {
  client(options: GlobalOptions): DevFlowClient;
  colors: Colors;
  /** Whether somebody watches: progress bars and questions make sense. */
  interactive: boolean;
  print(text: string): void;
  note(text: string): void;
  /** Aborted by CTRL-C. */
  signal: AbortSignal;
}

export function createContext(signal: AbortSignal): Context {
  // NO_COLOR (no-color.org) and pipes are respected; FORCE_COLOR asks for colours all the same.
  const { NO_COLOR, FORCE_COLOR } = process.env;
  const colored = FORCE_COLOR ? FORCE_COLOR !== "0" : !NO_COLOR && process.stdout.isTTY === true;
  const note = (text: string) => void process.stderr.write(`${text}\n`);
  let waitedFor = "";
  /** A reason is told once, however often it is waited for. */
  const onWait = (reason: string, ms: number) => {
    const waiting = `Waiting ${Math.ceil(ms / 1000)} s …`;
    note(reason === waitedFor ? waiting : `${reason} ${waiting}`);
    waitedFor = reason;
  };
  return {
    client: (options) => new DevFlowClient({ ...readLogin(options), retries: 2, onWait }),
    colors: createColors(colored),
    interactive: process.stderr.isTTY === true && process.stdin.isTTY === true && !process.env["CI"],
    print: (text) => void process.stdout.write(`${text}\n`),
    note,
    signal,
  };
}
