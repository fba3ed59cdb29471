import { OpError } from "./error.ts";
import { f16ToF32, f32ToF16 } from "./half.ts";

/** Element types. `f64` exists on the CPU only (gradient checks); `f16` is storage: arithmetic on it happens in f32. */
export type DType = "f32" | "f16" | "f64" | "i32" | "u32" | "bool";

/** How the elements of each type are held by JavaScript; f16 as its bits. */
export interface ArrayOf {
  f32: Float32Array;
  f16: Uint16Array;
  f64: Float64Array;
  i32: Int32Array;
  u32: Uint32Array;
  bool: Uint8Array;
}
export type TypedArray = ArrayOf[DType];

/** Constructors of {@link ArrayOf}. */
export const arrays = {
  f32: Float32Array,
  f16: Uint16Array,
  f64: Float64Array,
  i32: Int32Array,
  u32: Uint32Array,
  bool: Uint8Array,
} as const;

/** Throws unless `dtype` is an element type: a program without type checks may pass anything. */
export function checkType(op: string, dtype: DType): void {
  if (!Object.hasOwn(arrays, dtype)) throw new OpError(op, `the type is ${dtype}, expected one of ${Object.keys(arrays).join(", ")}`);
}

/** Bytes of one element in host memory. */
export const bytesOf: Readonly<Record<DType, number>> = { f32: 4, f16: 2, f64: 8, i32: 4, u32: 4, bool: 1 };

/** An array of `length` zeros for `dtype`. */
export const zerosOf = (dtype: DType, length: number): TypedArray => new arrays[dtype](length);

export const isFloat = (dtype: DType): boolean => dtype === "f32" || dtype === "f16" || dtype === "f64";

/** The range of each integer type. */
export const wholeLimits: Partial<Record<DType, readonly [least: number, most: number]>> = {
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u32: [0, 2 ** 32 - 1],
};

/** Converts a float to an integer type: truncates it, clamps it to the type's range, and makes 0 of NaN. */
export function wholeOf(v: number, [least, most]: readonly [number, number]): number {
  return Number.isNaN(v) ? 0 : Math.min(Math.max(Math.trunc(v), least), most);
}

const rank: readonly DType[] = ["bool", "u32", "i32", "f16", "f32", "f64"];

/** The type that two operands are promoted to: `bool < u32 < i32 < f16 < f32 < f64`. */
export const promote = (a: DType, b: DType): DType => (rank.indexOf(a) >= rank.indexOf(b) ? a : b);

/** Reads any element array as numbers: f16 bits are widened, everything else passes. */
export function toNumbers(dtype: DType, data: TypedArray): Exclude<TypedArray, Uint16Array> {
  return dtype === "f16" ? f16ToF32(data as Uint16Array) : (data as Exclude<TypedArray, Uint16Array>);
}

/** Elements converted to `to`; the same array when nothing changes. Floats become integers as {@link wholeOf} says. */
export function convert(from: DType, data: TypedArray, to: DType): TypedArray {
  if (from === to) return data;
  const numbers = toNumbers(from, data);
  if (to === "f16") return f32ToF16(numbers);
  if (to === "bool") return Uint8Array.from(numbers, (v) => (v === 0 ? 0 : 1));
  const limits = isFloat(from) ? wholeLimits[to] : undefined;
  return arrays[to].from(limits ? Float64Array.from(numbers, (v) => wholeOf(v, limits)) : numbers);
}
