import { mergeFolders } from "../train/node/merge-folders.ts";
import { namedFolder } from "./named-model.ts";
import type { Phase } from "./progress.ts";
import { openTerminal } from "./terminal.ts";

/** What `snoopi merge` was asked for. */
export interface MergeOptions {
  /** Students' folders, or names of `shippedModels`. */
  readonly a: string;
  readonly b: string;
  readonly out: string;
  /** The weight of `a`. */
  readonly lambda: number;
}

/** Merges two students, and says how the result is used. */
export async function mergeCommand({ a, b, out, lambda }: MergeOptions, signal: AbortSignal): Promise<void> {
  const [first, second] = [await namedFolder(a, "merge"), await namedFolder(b, "merge")];
  const { progress } = openTerminal();
  let phase: Phase | undefined;
  try {
    await mergeFolders({
      ...{ a: first, b: second, out, lambda, signal },
      onTensor(done, total) {
        phase ??= progress.phase("merge", total);
        phase.advance();
        if (done === total) phase.done();
      },
    });
  } finally {
    progress.close();
  }
  process.stdout.write(`student: snoopi generate --model ${out}\n`);
}
