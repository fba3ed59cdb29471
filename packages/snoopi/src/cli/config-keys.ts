import { describeSchema, type Schema } from "../train/schema.ts";
import { wrapped } from "./text.ts";

/** What a command's help says of its config: every key with its default, its allowed words if they are listed, and its meaning. */
export function configKeys(schema: Schema): string {
  const lines = describeSchema(schema).flatMap(({ key, absent, words, about }) => [
    `  ${key}: ${absent}${words ? ` (${words.join(", ")})` : ""}`,
    ...wrapped(about, { indent: "      " }),
  ]);
  return `Keys of the config, with their defaults:\n${lines.join("\n")}`;
}
