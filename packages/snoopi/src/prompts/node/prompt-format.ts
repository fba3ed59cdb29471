import { SnoopiError } from "@snoopi/core";

/** How a file holds prompts. */
export interface PromptFormat {
  readonly kind: "text" | "jsonl" | "parquet";
  readonly gzip: boolean;
}

const kinds: Readonly<Record<string, PromptFormat["kind"]>> = { txt: "text", jsonl: "jsonl", ndjson: "jsonl", parquet: "parquet" };

/** A file's format: `format`, else by its name. @throws SnoopiError for any other name, and for a column of plain text. */
export function promptFormat(
  path: string,
  { format, column }: { readonly format?: PromptFormat["kind"]; readonly column?: string },
): PromptFormat {
  const [, inner, gz] = /\.([^./\\]+?)(\.gz)?$/i.exec(path) ?? [];
  const kind = format ?? kinds[inner?.toLowerCase() ?? ""];
  const gzip = gz !== undefined || inner?.toLowerCase() === "gz";
  if (kind === undefined) {
    throw new SnoopiError(
      `${path}: its name does not say how prompts lie in it. Name it .txt, .jsonl or .ndjson (each also with .gz) or .parquet, or give its format.`,
    );
  }
  if (kind === "parquet" && gzip) throw new SnoopiError(`${path}: Parquet inside gzip is not read. Decompress it first.`);
  if (kind === "text" && column !== undefined) {
    throw new SnoopiError(`${path}: the column is ${JSON.stringify(column)}, and a text file has none. Leave it out.`);
  }
  return { kind, gzip };
}
