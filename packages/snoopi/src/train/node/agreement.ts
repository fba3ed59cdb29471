import { SnoopiError } from "@snoopi/core";
import type { SafetensorsFile } from "@snoopi/models";
import { differences } from "../schema.ts";
import { openOwnFile } from "./own-file.ts";

/** What an existing file has to agree with, and what to do if it does not. */
export interface Agreement {
  readonly config: unknown;
  /** Keys that need not agree. Default none. */
  readonly free?: readonly string[];
  readonly fix: string;
}

/** @throws SnoopiError when the config in `field` of a file's metadata differs in other than `free` keys, saying how, and then `fix`. */
export function checkAgreement(
  { name, metadata }: Pick<SafetensorsFile, "name" | "metadata">,
  field: string,
  { config, free = [], fix }: Agreement,
): void {
  const saved = metadata.get(field);
  if (saved === undefined) throw new SnoopiError(`${name}: it says nothing of a config, so no training of snoopi wrote it. ${fix}.`);
  const different = differences(JSON.parse(saved), config, free);
  if (different.length > 0) throw new SnoopiError(`${name}: it is of another config: ${different.join("; ")}. ${fix}.`);
}

/** {@link checkAgreement} of the file at a path. */
export async function checkFile(path: string, field: string, agreement: Agreement): Promise<void> {
  const file = await openOwnFile(path);
  try {
    checkAgreement(file, field, agreement);
  } finally {
    await file.close();
  }
}
