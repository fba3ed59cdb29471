import { SnoopiError } from "@snoopi/core";

/** Bytes that can be read in ranges, so that a file of gigabytes is never in memory as a whole. */
export interface ByteSource {
  readonly size: number;
  /** The bytes from `start` up to, not including, `end`. The caller owns them. */
  read(start: number, end: number): Promise<Uint8Array>;
  /** Releases what is behind the source: a file handle, a connection. */
  close?(): Promise<void>;
}

/** A source over bytes in memory. Each read is a copy. */
export const bytesSource = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: async (start, end) => bytes.slice(start, end),
});

/** A source over a `Blob` or `File`, as a browser's file picker gives it. */
export const blobSource = (blob: Blob): ByteSource => ({
  size: blob.size,
  read: async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer()),
});

/** Reads a range and makes sure that all of it came. */
export async function readExactly(source: ByteSource, range: { start: number; end: number; name: string }): Promise<Uint8Array> {
  const { start, end, name } = range;
  const bytes = await source.read(start, end);
  if (bytes.length === end - start) return bytes;
  throw new SnoopiError(`${name}: asked for bytes ${start} to ${end}, got ${bytes.length} of ${end - start}. Download the file again.`);
}

const decoder = new TextDecoder();

/**
 * Refuses two things that often stand in place of weights: the text file that a git clone without LFS leaves,
 * and a pickle under another name.
 */
export function refuseForeignFile(head: Uint8Array, name: string): void {
  const text = decoder.decode(head.subarray(0, 64));
  if (text.startsWith("version https://git-lfs")) {
    throw new SnoopiError(
      `${name}: this is a Git LFS pointer, not the weights. Run "git lfs pull" in its folder, or download the file itself.`,
    );
  }
  // A zip, or a bare pickle of protocol 2 to 5. Either could be the length of a header, but then zero bytes and a brace would follow.
  const zip = text.startsWith("PK\u0003\u0004") && head[8] !== 0x7b;
  const pickle = head[0] === 0x80 && head[1] >= 2 && head[1] <= 5 && head[7] !== 0;
  if (zip || pickle) {
    throw new SnoopiError(`${name}: this is a PyTorch pickle, which can run code when it is read. Only safetensors files are read.`);
  }
}
