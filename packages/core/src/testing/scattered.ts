/**
 * `n` numbers spread evenly over `[low, high]` in an order that depends on `seed` alone. They are distinct, and where the bounds are whole
 * and 1, 2, 3, 4, 6 or 12 apart none lies near a whole number, so that a finite difference does not step over a kink of `abs`, `floor` or
 * `amax`.
 */
export function scattered(n: number, seed: number, low = -2, high = 2): Float64Array {
  const next = mulberry32(seed);
  // Off every twelfth of a step: that is where whole numbers fall when the range is 1, 2, 3, 4, 6 or 12.
  const offset = Math.floor(12 * next()) / 12 + 0.02 + 0.04 * next();
  const values = Float64Array.from({ length: n }, (_, k) => low + ((high - low) * (k + offset)) / n);
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
