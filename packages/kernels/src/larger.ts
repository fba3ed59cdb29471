/**
 * The larger of two named numbers or vectors in WGSL, and NaN where either is: `max` may then give the other. Told by `==`, since Tint prints
 * `x != x` as a comparison that is false of NaN.
 */
export const larger = (a: string, b: string): string => `select(${b}, ${a}, !(${a} < ${b}) & (${b} == ${b}))`;
