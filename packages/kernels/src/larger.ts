/**
 * WGSL for the larger of two named numbers or vectors, NaN where either is NaN (`max` may return the other). NaN is detected by `==`, since
 * Tint compiles `x != x` to a comparison that is false for NaN.
 */
export const larger = (a: string, b: string): string => `select(${b}, ${a}, !(${a} < ${b}) & (${b} == ${b}))`;
