import { SnoopiError } from "../error.ts";
import { type Key, philox } from "./philox.ts";
import { seedBits } from "./seed.ts";

/** The last counter word: what the numbers are for. Element draws use 0, so that no derived key repeats one. */
const foldInDomain = 1;
const splitDomain = 2;

/**
 * The key of a seed: its low and high 32 bits, in that order.
 *
 * @param seed an integer from −2⁶³ to 2⁶⁴ − 1; beyond ±(2⁵³ − 1) as a bigint.
 * @throws SnoopiError for any other seed.
 */
export function keyFromSeed(seed: number | bigint): Key {
  const bits = seedBits(seed);
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}

/**
 * A new key from a key and a number, such as a step or an image's index: the first two words of philox at counter (n low, n high, 0, 1).
 *
 * @throws SnoopiError when n is not a whole number from 0 to 2⁵³ − 1.
 */
export const foldIn = (key: Key, n: number): Key => derive(key, n, foldInDomain);

/**
 * `count` new keys, independent of each other, of `key` and of every `foldIn(key, n)`: philox at counters (i, 0, 0, 2).
 *
 * @throws SnoopiError when count is not a whole number, 0 or more.
 */
export function split(key: Key, count: number): Key[] {
  if (!Number.isSafeInteger(count) || count < 0) {
    throw new SnoopiError(`split: cannot make ${count} keys. Pass a whole number, 0 or more.`);
  }
  return Array.from({ length: count }, (_, i) => derive(key, i, splitDomain));
}

function derive(key: Key, n: number, domain: number): Key {
  if (!Number.isSafeInteger(n) || n < 0) {
    throw new SnoopiError(`foldIn: ${n} is not a whole number from 0 to 2^53 - 1. Pass one.`);
  }
  const [first, second] = philox([n >>> 0, Math.floor(n / 2 ** 32), 0, domain], key);
  return [first, second];
}
