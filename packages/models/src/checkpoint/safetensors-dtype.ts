import { bf16ToF32, type DType, SnoopiError, type TypedArray } from "@snoopi/core";

/** Bits of one element, for every type a safetensors file may name. */
export const bitsOf: ReadonlyMap<string, number> = new Map([
  ...["U64", "I64", "F64", "C64"].map((type) => [type, 64] as const),
  ...["F32", "U32", "I32"].map((type) => [type, 32] as const),
  ...["BF16", "F16", "U16", "I16"].map((type) => [type, 16] as const),
  ...["F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0", "F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL"].map((type) => [type, 8] as const),
  ...["F6_E3M2", "F6_E2M3"].map((type) => [type, 6] as const),
  ["F4", 4] as const,
]);

/** The types that weights may have. */
export const floatTypes: ReadonlySet<string> = new Set(["F64", "F32", "F16", "BF16"]);

/** The file's name of each type we write, largest alignment first: the order the reference writer puts tensors in. */
export const writtenAs: ReadonlyMap<DType, string> = new Map([
  ["f64", "F64"],
  ["f32", "F32"],
  ["u32", "U32"],
  ["i32", "I32"],
  ["f16", "F16"],
  ["bool", "BOOL"],
]);

interface Decoded {
  dtype: DType;
  data: TypedArray;
}

/** Elements as stored. A view needs an aligned start, which neither a file nor a range read guarantees: else the bytes are copied. */
function view<T>(
  bytes: Uint8Array,
  array: { new (buffer: ArrayBufferLike, offset: number, length: number): T; BYTES_PER_ELEMENT: number },
): T {
  const owned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new array(owned.buffer, owned.byteOffset, owned.byteLength / array.BYTES_PER_ELEMENT);
}

const decoders: ReadonlyMap<string, (bytes: Uint8Array) => Decoded> = new Map<string, (bytes: Uint8Array) => Decoded>([
  ["F64", (bytes) => ({ dtype: "f64", data: view(bytes, Float64Array) })],
  ["F32", (bytes) => ({ dtype: "f32", data: view(bytes, Float32Array) })],
  ["F16", (bytes) => ({ dtype: "f16", data: view(bytes, Uint16Array) })],
  ["BF16", (bytes) => ({ dtype: "f32", data: bf16ToF32(view(bytes, Uint16Array)) })],
  ["I32", (bytes) => ({ dtype: "i32", data: view(bytes, Int32Array) })],
  ["U32", (bytes) => ({ dtype: "u32", data: view(bytes, Uint32Array) })],
  ["I16", (bytes) => ({ dtype: "i32", data: Int32Array.from(view(bytes, Int16Array)) })],
  ["U16", (bytes) => ({ dtype: "u32", data: Uint32Array.from(view(bytes, Uint16Array)) })],
  ["I8", (bytes) => ({ dtype: "i32", data: Int32Array.from(view(bytes, Int8Array)) })],
  ["U8", (bytes) => ({ dtype: "u32", data: Uint32Array.from(bytes) })],
  ["BOOL", (bytes) => ({ dtype: "bool", data: Uint8Array.from(bytes, (byte) => (byte === 0 ? 0 : 1)) })],
  ["I64", (bytes) => ({ dtype: "i32", data: narrow(view(bytes, BigInt64Array), Int32Array) })],
  ["U64", (bytes) => ({ dtype: "u32", data: narrow(view(bytes, BigUint64Array), Uint32Array) })],
]);

function narrow<T extends Int32Array | Uint32Array>(values: BigInt64Array | BigUint64Array, array: { new (length: number): T }): T {
  const out = new array(values.length);
  for (let i = 0; i < values.length; i++) {
    out[i] = Number(values[i]);
    if (BigInt(out[i]) !== values[i]) throw new SnoopiError(`${values[i]} at element ${i} does not fit into 32 bits`);
  }
  return out;
}

/**
 * Little-endian bytes of `type` as the nearest element type of ours, exactly: BF16 as f32, small integers as i32 or u32,
 * 64-bit integers as 32-bit ones when they fit. Throws for types without one (C64, F8, F6, F4).
 */
export function decode(type: string, bytes: Uint8Array): Decoded {
  const decoder = decoders.get(type);
  if (decoder === undefined) throw new SnoopiError(`elements of type ${type} cannot be read, only ${[...decoders.keys()].join(", ")}`);
  return decoder(bytes);
}
