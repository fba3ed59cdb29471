import { SnoopiError } from "@snoopi/core";
import type { Field } from "./schema.ts";

/** Where prompts come from: the tiny world, or files that `readPrompts` reads, one after another. */
export type PromptsFrom = "world" | { readonly files: readonly string[]; readonly column: string | null };

const isText = (one: unknown): one is string => typeof one === "string" && one !== "";

/** A config's key for prompts: `"world"`, a file's name, or `{ "file": …, "column": … }` with a name or several. */
export const promptsFrom = (absent: PromptsFrom, about: string): Field<PromptsFrom> => ({
  absent,
  about,
  read(value, path) {
    if (value === "world") return value;
    const object = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : { file: value };
    const { file, column = null, ...others } = object;
    const files = Array.isArray(file) ? file : [file];
    const known = files.length > 0 && files.every(isText) && Object.keys(others).length === 0;
    if (known && (column === null || isText(column))) return { files, column };
    throw new SnoopiError(
      `config: ${path} is ${JSON.stringify(value)}. Give "world", the name of a file, or { "file": …, "column": … } with a name or several.`,
    );
  },
});
