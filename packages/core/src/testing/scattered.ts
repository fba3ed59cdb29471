/**
 * `n` numbers spread evenly over `[low, high]` in an order that depends on `seed` alone. They are distinct and none lies near a whole
 * number or a bound, so that a finite difference does not step over a kink of `abs`, `floor` or `amax`.
 */
export function scattered(n: number, seed: number, low = -2, high = 2): Float64Array {
  const values = Float64Array.from({ length: n }, (_, k) => low + ((high - low) * (k + 0.37)) / n);
  const next = mulberry32(seed);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [values[i], values[j]] = [values[j], values[i]];
  }
  return values;
}

/** Tommy Ettinger's 32-bit generator: uniform in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
