import { SnoopiError } from "../error.ts";
import { normalPair } from "./normal-pair.ts";
import { type Key, philox, type Words } from "./philox.ts";

/**
 * The counter that element `index` of a tensor drawn from `stream` comes from: (⌊index/4⌋ low, ⌊index/4⌋ high, stream, 0). The element
 * is word `index % 4` of its philox block; a normal takes the even-odd pair of words it is in.
 */
export function counterOf(index: number, stream: number): Words {
  const block = Math.floor(index / 4);
  return [block >>> 0, Math.floor(block / 2 ** 32), stream, 0];
}

/** Uniform in [0, 1) from 32 random bits: a multiple of 2⁻²⁴, exact in f32. */
export const uniformFrom = (bits: number): number => (bits >>> 8) * 2 ** -24;

/** Where a fill begins: the index in the tensor of its first element, 0 by default. */
export interface FillOptions {
  readonly start?: number;
}

/** Fills `out` with random 32-bit words: elements `start …` of `stream`. @throws SnoopiError for a stream or start out of range. */
export function fillBits(key: Key, stream: number, out: Uint32Array, { start = 0 }: FillOptions = {}): void {
  eachBlock({ key, stream, start, length: out.length }, (words, at) => {
    for (let lane = 0; lane < 4; lane++) if (inside(out, at + lane)) out[at + lane] = words[lane];
  });
}

/** Fills `out` with f32 uniforms in [0, 1): elements `start …` of `stream`. @throws SnoopiError for a stream or start out of range. */
export function fillUniform(key: Key, stream: number, out: Float32Array, { start = 0 }: FillOptions = {}): void {
  eachBlock({ key, stream, start, length: out.length }, (words, at) => {
    for (let lane = 0; lane < 4; lane++) if (inside(out, at + lane)) out[at + lane] = uniformFrom(words[lane]);
  });
}

/** Fills `out` with f32 standard normals: elements `start …` of `stream`. @throws SnoopiError for a stream or start out of range. */
export function fillNormal(key: Key, stream: number, out: Float32Array, { start = 0 }: FillOptions = {}): void {
  const pair = new Float32Array(2);
  eachBlock({ key, stream, start, length: out.length }, (words, at) => {
    for (let lane = 0; lane < 4; lane += 2) {
      normalPair(words[lane], words[lane + 1], pair);
      if (inside(out, at + lane)) out[at + lane] = pair[0];
      if (inside(out, at + lane + 1)) out[at + lane + 1] = pair[1];
    }
  });
}

const inside = (out: ArrayLike<number>, at: number) => at >= 0 && at < out.length;

export function checkStream(stream: number): void {
  if (!Number.isInteger(stream) || stream < 0 || stream >= 2 ** 32) {
    throw new SnoopiError(`random: stream ${stream} is not a whole number from 0 to 2^32 - 1. Pass one.`);
  }
}

interface Range {
  readonly key: Key;
  readonly stream: number;
  readonly start: number;
  readonly length: number;
}

/** Calls `use` with each philox block the elements need and the position in `out` of the block's first word, which may be before it. */
function eachBlock({ key, stream, start, length }: Range, use: (words: Words, at: number) => void): void {
  checkStream(stream);
  if (!Number.isSafeInteger(start) || start < 0 || !Number.isSafeInteger(start + length)) {
    throw new SnoopiError(`random: cannot start at element ${start}. Pass a whole number, 0 or more.`);
  }
  for (let index = start - (start % 4); index < start + length; index += 4) use(philox(counterOf(index, stream), key), index - start);
}
