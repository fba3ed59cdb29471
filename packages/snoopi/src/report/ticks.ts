export type Range = [low: number, high: number];

/** From the least value to the greatest, widened where they nearly coincide, so that there is room to draw and ticks differ. */
export function extent(values: readonly number[], { log }: { log: boolean }): Range {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const size = Math.max(Math.abs(low), Math.abs(high));
  // Ticks have 12 digits. Below 1e-300 a tenth of a difference is 0 or has lost its digits.
  if (high - low > Math.max(1e-9 * size, 1e-300)) return [low, high];
  if (log) return [low / 2, high * 2];
  const room = size > 1e-300 ? size / 2 : 0.5;
  return [low - room, high + room];
}

/** Round numbers within [low, high], about `count` of them: 1, 2 or 5 times a power of ten apart. */
export function linearTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  // 0.3 / 0.1 is 2.9999999999999996: a tick that misses the end by rounding is at the end.
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  // Multiples, not a running sum, and rounded: 3 · 0.1 is to be 0.3.
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Powers of ten within [low, high], or 1, 2 and 5 times them where there are fewer than three. */
export function logTicks(low: number, high: number): number[] {
  const exponents = Array.from(
    { length: Math.floor(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, i) => Math.floor(Math.log10(low)) + i,
  );
  const within = (factors: number[]) =>
    exponents
      .flatMap((exponent) => factors.map((factor) => Number(`${factor}e${exponent}`)))
      .filter((value) => value >= low && value <= high);
  const decades = within([1]);
  return decades.length >= 3 ? decades : within([1, 2, 5]);
}

/** A tick as a reader wants it: `20000`, `0.05`, `1e-7`. */
export function showTick(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential().replace("e+", "e") : String(value);
}
