import { fillBits, type Key } from "@snoopi/core";

/** A permutation of `0 … length − 1`, each equally likely up to 2⁻³² (Fisher–Yates with philox). */
export function blockOrder(key: Key, length: number): Uint32Array {
  const order = Uint32Array.from({ length }, (_, i) => i);
  const bits = new Uint32Array(length);
  fillBits(key, 0, bits);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor((bits[i] * (i + 1)) / 2 ** 32);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
