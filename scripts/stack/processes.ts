import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** A process of this machine, as far as telling it from a later one with the same id needs. */
export interface ProcessEntry {
  pid: number;
  parent: number;
  group: number;
  /** When it started, in the system's own terms; only good for comparing. */
  started: string;
  command: string;
}

/** All processes, from /proc where there is one (a slim Linux has no `ps`), else from `ps`. */
export function listProcesses(): ProcessEntry[] {
  return process.platform === "linux" ? fromProc() : fromPs();
}

export function findProcess(pid: number): ProcessEntry | undefined {
  return process.platform === "linux"
    ? readProcEntry(pid)
    : fromPs(["-p", String(pid)]).find((entry) => entry.pid === pid);
}

function fromProc(): ProcessEntry[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcEntry(Number(name)) ?? []);
}

function readProcEntry(pid: number): ProcessEntry | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // "pid (name) state ppid pgrp …": the name may hold spaces and parentheses; starttime is field 22.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") return undefined;
    return {
      pid,
      parent: Number(fields[1]),
      group: Number(fields[2]),
      started: fields[19] ?? "",
      command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim(),
    };
  } catch {
    return undefined; // It has ended.
  }
}

function fromPs(selection: readonly string[] = ["-A"]): ProcessEntry[] {
  const columns = ["-o", "pid=", "-o", "ppid=", "-o", "pgid=", "-o", "lstart=", "-o", "command="];
  let output: string;
  try {
    output = execFileSync("ps", [...selection, ...columns], {
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    return []; // `ps -p` ends with 1 where there is no such process.
  }
  // lstart is five words: "Mon Nov 23 21:12:00 2026".
  const line = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$/;
  return output.split("\n").flatMap((text) => {
    const [, pid, parent, group, started = "", command = ""] = line.exec(text) ?? [];
    if (pid === undefined) return [];
    return [{ pid: Number(pid), parent: Number(parent), group: Number(group), started, command }];
  });
}
