import { createProgress, type Progress } from "./progress.ts";

/** What a command tells its user beside its result: bars and lines on stderr. */
export interface Terminal {
  readonly progress: Progress;
  /** A line of its own, below a bar that is not finished. */
  say(line: string): void;
}

export function openTerminal(): Terminal {
  const { stderr } = process;
  const progress = createProgress({ stream: stderr, isTTY: stderr.isTTY === true, columns: () => stderr.columns });
  return {
    progress,
    say(line) {
      progress.close();
      stderr.write(`${line}\n`);
    },
  };
}
