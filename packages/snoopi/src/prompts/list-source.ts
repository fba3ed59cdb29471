import { type PromptRow, type PromptSource, promptStart } from "./prompt-row.ts";
import { promptTally } from "./prompt-summary.ts";

/** A list in memory as a source of prompts. */
export const listSource = (prompts: readonly string[], name = "prompts"): PromptSource => ({
  name,
  size: prompts.length,
  read(from = promptStart) {
    const { summary, used } = promptTally(name, "line");
    return {
      summary,
      async *[Symbol.asyncIterator](): AsyncGenerator<PromptRow, void> {
        for (let i = from.line; i < prompts.length; i++) {
          used();
          yield { prompt: prompts[i], line: i + 1, end: 0 };
        }
      },
    };
  },
});
