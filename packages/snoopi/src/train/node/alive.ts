import { readFileSync } from "node:fs";

/** Whether a process of this machine is there, and the one that began at `start`: numbers are given again. */
export function isAlive(pid: number, start: number | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // A process of another user may not be signalled, and is there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  const now = startOf(pid);
  return now === undefined || start === undefined || now === start;
}

/** When a process began, in ticks since the machine did; `undefined` where the system does not say. 0 for one that has ended and was not waited for. */
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
