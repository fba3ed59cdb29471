import { createHash } from "node:crypto";
import { unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PromptSource, PromptSummary } from "../prompt-row.ts";
import { openFile } from "./open-file.ts";

/** The prompts of a source by index. They are in a temporary file, and take 8 bytes each in memory. */
export interface PromptList extends Disposable {
  readonly length: number;
  /** @throws RangeError for an index out of range. */
  at(index: number): string;
  readonly summary: PromptSummary;
  /** SHA-256 of all prompts in their order. */
  readonly digest: string;
}

const pieceBytes = 1 << 20;

/**
 * Reads a source once and keeps its prompts for access in any order.
 * @throws SnoopiError when a source cannot be read or has none, and when the file cannot be written.
 */
export async function promptList(source: PromptSource, { folder = tmpdir() }: { readonly folder?: string } = {}): Promise<PromptList> {
  const path = join(folder, `.prompts-${crypto.randomUUID().slice(0, 8)}.tmp`);
  const file = openFile(path, "wx+");
  const nameless = tryRemove(path);
  const close = () => {
    file.close();
    if (!nameless) tryRemove(path);
  };
  try {
    const rows = source.read();
    const hash = createHash("sha256");
    let ends = new Float64Array(1024);
    let length = 0;
    let at = 0;
    let held: Buffer[] = [];
    let heldBytes = 0;
    const write = () => {
      const bytes = Buffer.concat(held);
      hash.update(bytes);
      file.write(bytes, at - bytes.length);
      held = [];
      heldBytes = 0;
    };
    for await (const { prompt } of rows) {
      const bytes = Buffer.from(prompt);
      held.push(bytes);
      heldBytes += bytes.length;
      at += bytes.length;
      if (heldBytes >= pieceBytes) write();
      if (length === ends.length) {
        const wider = new Float64Array(2 * length);
        wider.set(ends);
        ends = wider;
      }
      ends[length++] = at;
    }
    write();
    hash.update(new Uint8Array(ends.buffer, 0, 8 * length));
    return {
      length,
      summary: rows.summary,
      digest: hash.digest("hex"),
      at(index) {
        if (!(index >= 0 && index < length)) throw new RangeError(`prompt ${index} of ${length}`);
        const start = index === 0 ? 0 : ends[index - 1];
        const bytes = Buffer.alloc(ends[index] - start);
        file.read(bytes, start);
        return bytes.toString("utf8");
      },
      [Symbol.dispose]: close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Removes the name of an open file, which then vanishes when closed. If the system refuses, it is removed after closing. */
function tryRemove(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}
