import { createHash } from "node:crypto";
import { SnoopiError } from "@snoopi/core";
import type { Folder } from "@snoopi/models";

const pieceBytes = 1 << 24;

/**
 * Identifies a text encoder: 32 hexadecimal digits of SHA-256 over all files of a pipeline's `text_encoder/` and `tokenizer/`, names and
 * contents. What else the embeddings depend on (which layer is taken, a prefix) goes into `also`.
 *
 * @throws SnoopiError when one of the folders has no file.
 */
export async function encoderIdentity(
  pipeline: Folder,
  { folders = ["text_encoder", "tokenizer"], also = "" }: { readonly folders?: readonly string[]; readonly also?: string } = {},
): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(also));
  for (const folder of folders) {
    const names = await pipeline.list(folder);
    if (names.length === 0) throw new SnoopiError(`${pipeline.name}: there is no file in ${folder}. Give the folder of a pipeline.`);
    for (const name of names.sort()) {
      const source = await pipeline.open(`${folder}/${name}`);
      try {
        hash.update(JSON.stringify([folder, name, source.size]));
        for (let start = 0; start < source.size; start += pieceBytes) {
          hash.update(await source.read(start, Math.min(source.size, start + pieceBytes)));
        }
      } finally {
        await source.close?.();
      }
    }
  }
  return hash.digest("hex").slice(0, 32);
}
