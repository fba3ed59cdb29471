import { readFileSync } from "node:fs";

/** Whether a process of this machine is running and is the one that began at `start`, since process ids are reused. */
export function isAlive(pid: number, start: number | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // A process of another user may not be signalled, but exists.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  const now = startOf(pid);
  return now === undefined || start === undefined || now === start;
}

/** When a process began, in ticks since boot; `undefined` if the system does not say, 0 for a zombie. */
export function startOf(pid: number): number | undefined {
  try {
    // The name in parentheses may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ");
    return /[ZX]/.test(fields[0]) ? 0 : Number(fields[19]);
  } catch {
    return undefined;
  }
}
