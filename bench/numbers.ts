/** Numbers in [−scale, scale), the same on every machine: upper bits of a linear congruential generator, exact in f16 before scaling. */
export function scattered(seed: number, n: number, scale = 1): Float32Array {
  const out = new Float32Array(n);
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  for (let i = 0; i < n; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = ((state >>> 21) / 1024 - 1) * scale;
  }
  return out;
}

export const minimum = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
