import { SnoopiError } from "@snoopi/core";

/** What Ctrl-C (and a polite kill) ask for. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** The exit code once the process has been asked to stop: 128 + the signal's number. */
  readonly code: number | undefined;
  /** Gives the signals their usual meaning again. */
  release(): void;
}

/** A run that stopped when asked to, with part of its work done. */
export class Stopped extends SnoopiError {}

/** Whether an error is the stop that was asked for, and nothing that failed on the way to it. */
export function isStop(error: unknown, signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  return error === signal.reason || error instanceof Stopped || (error instanceof Error && isStop(error.cause, signal));
}

/** What is said of a command that was stopped before it could say so itself. Some keep what they, or runs before them, have done. */
export const stoppedEarly = (command: string | undefined): string =>
  `stopped. ${["train", "distill", "eval"].some((keeps) => keeps === command) ? "Give the same command again." : "Nothing was written."}`;

const codes = { SIGINT: 130, SIGTERM: 143 } as const;

/** Stops work at the next opportunity when asked once; asked again, the process dies at once, because the handler is gone by then. */
export function interruption(): Interruption {
  const controller = new AbortController();
  let code: number | undefined;
  const release = () => {
    for (const name of Object.keys(codes)) process.off(name, stop);
  };
  function stop(name: NodeJS.Signals): void {
    release();
    code = codes[name as keyof typeof codes];
    controller.abort();
  }
  for (const name of Object.keys(codes)) process.on(name, stop);
  return {
    signal: controller.signal,
    get code() {
      return code;
    },
    release,
  };
}
