import { SnoopiError } from "@snoopi/core";
import { type PromptRow, type PromptSource, type PromptSummary, promptStart } from "./prompt-row.ts";

/** Several sources one after another, such as the parts of a data set. Each row says which source it is from. */
export function joinedSource(sources: readonly PromptSource[]): PromptSource {
  const [first, ...others] = sources;
  if (!first) throw new SnoopiError("prompts: there are no files. Name one at least.");
  if (others.length === 0) return first;
  const name = `${first.name} and ${others.length} more`;
  return {
    name,
    size: sources.reduce((sum, { size }) => sum + size, 0),
    read(from = promptStart) {
      const { file: begin = 0, ...cursor } = from;
      const files: PromptSummary[] = [];
      return {
        summary: joinedSummary(name, files),
        async *[Symbol.asyncIterator](): AsyncGenerator<PromptRow, void> {
          for (let file = begin; file < sources.length; file++) {
            const rows = sources[file].read(file === begin ? cursor : promptStart);
            files.push(rows.summary);
            for await (const row of rows) yield { ...row, file };
          }
        },
      };
    },
  };
}

/** A summary of the sums so far. */
const joinedSummary = (file: string, files: readonly PromptSummary[]): PromptSummary => {
  const sum = (of: "lines" | "used") => files.reduce((all, one) => all + one[of], 0);
  return {
    file,
    files,
    unit: "line",
    get lines() {
      return sum("lines");
    },
    get used() {
      return sum("used");
    },
    bad: new Map(),
  };
};
