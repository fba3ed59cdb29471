/**
 * `a·b + c` for f32 operands, rounded once to f32: what a fused multiply-add instruction returns, for results in f32's normal range.
 *
 * The product of two f32 is exact in a double; the sum is not always, and rounding a double that lies half way between two f32 can
 * then go to the wrong side. Only there does the sum's own error decide.
 */
export function fma(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const rounded = Math.fround(sum);
  const rest = sum - rounded;
  if (rest === 0) return rounded;
  const other = rounded + 2 * rest;
  if (Math.fround(other) !== other) return rounded;
  const kept = sum - product;
  const error = product - (sum - kept) + (c - kept);
  return error !== 0 && error > 0 === rest > 0 ? other : rounded;
}
