import { mulhi } from "./mulhi.ts";

/** Four 32-bit words, each an unsigned integer. */
export type Words = readonly [number, number, number, number];
/** The key of a family of streams: two 32-bit words. */
export type Key = readonly [number, number];

/**
 * Philox4x32-10 (Salmon et al. 2011): four random 32-bit words as a pure function of a counter and a key. Any element of any stream
 * can be computed alone, in any order, on any device.
 */
export function philox(counter: Words, key: Key): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = mulhi(0xd2511f53, c0);
    const high1 = mulhi(0xcd9e8d57, c2);
    const low0 = Math.imul(0xd2511f53, c0);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}
