import { SnoopiError } from "@snoopi/core";

/** A picture to make: its seed and the file it goes to. */
export interface PictureFile {
  readonly seed: number | bigint;
  readonly path: string;
}

/** The largest seed of PyTorch's generators. */
const lastSeed = 2n ** 64n - 1n;

/**
 * `count` pictures of consecutive seeds from `seed` on. One goes to `out` itself, several to files named by seed: `cat-7.png`, `cat-8.png`.
 *
 * @throws SnoopiError when the seeds would pass the last one.
 */
export function picturesOf(out: string, { seed, count }: { readonly seed: number | bigint; readonly count: number }): PictureFile[] {
  if (count === 1) return [{ seed, path: out }];
  const first = BigInt(seed);
  if (first + BigInt(count) - 1n > lastSeed)
    throw new SnoopiError(
      `generate: --count is ${count} from --seed ${seed} on, and the last seed is ${lastSeed}. Begin with a smaller one.`,
    );
  return Array.from({ length: count }, (_, i) => {
    const own = first + BigInt(i);
    const exact = own >= BigInt(Number.MIN_SAFE_INTEGER) && own <= BigInt(Number.MAX_SAFE_INTEGER);
    return { seed: exact ? Number(own) : own, path: out.replace(/\.png$/i, (end) => `-${own}${end}`) };
  });
}
