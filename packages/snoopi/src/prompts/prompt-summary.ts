import { SnoopiError } from "@snoopi/core";
import { type BadReason, badReasons, type PromptSummary } from "./prompt-row.ts";

/** A summary that grows. */
export interface PromptTally {
  readonly summary: PromptSummary;
  used(): void;
  skipped(line: number, reason: BadReason): void;
}

const shown = 5;

export function promptTally(file: string, unit: PromptSummary["unit"]): PromptTally {
  const bad = new Map<BadReason, { count: number; first: number[] }>();
  const summary = { file, unit, lines: 0, used: 0, bad };
  return {
    summary,
    used() {
      summary.lines++;
      summary.used++;
    },
    skipped(line, reason) {
      summary.lines++;
      const found = bad.get(reason) ?? { count: 0, first: [] };
      bad.set(reason, found);
      found.count++;
      if (found.first.length < shown) found.first.push(line);
    },
  };
}

/** Says what was skipped, such as `prompts.txt: skipped 2 of 9 lines: 1 empty (3), 1 not UTF-8 (7).`, in a line for each file. */
export function describeSkipped({ file, unit, lines, used, bad, files }: PromptSummary): string | undefined {
  if (lines === used) return undefined;
  if (files) return files.flatMap((one) => describeSkipped(one) ?? []).join("\n");
  return `${file}: skipped ${grouped(lines - used)} of ${grouped(lines)} ${unit}s: ${reasonsOf(bad)}.`;
}

/** @throws SnoopiError when nothing of what was read could be used. */
export function refuseUnusable({ file, unit, lines, used, bad }: PromptSummary): void {
  if (used > 0) return;
  if (lines === 0) throw new SnoopiError(`${file}: there is no ${unit} in it. Give a file with prompts.`);
  throw new SnoopiError(
    `${file}: none of its ${grouped(lines)} ${unit}s can be used: ${reasonsOf(bad)}. Give UTF-8 text, or name the field.`,
  );
}

const reasonsOf = (bad: PromptSummary["bad"]): string =>
  [...bad]
    .map(
      ([reason, { count, first }]) => `${grouped(count)} ${badReasons[reason]} (${first.join(", ")}${count > first.length ? ", …" : ""})`,
    )
    .join(", ");

const grouped = (n: number): string => n.toLocaleString("en-US");
