import type { Device } from "./device.ts";
import { arrays, checkType, convert, type DType, type TypedArray, toNumbers } from "./dtype.ts";
import { OpError } from "./error.ts";
import { dense } from "./layout.ts";
import { Node } from "./node.ts";
import { checkFits, checkShape, defaultDevice, type On, onNames } from "./ops/full.ts";
import { checkOptions } from "./options.ts";
import { type Shape, show, sizeOf } from "./shape.ts";
import { Tensor } from "./tensor.ts";
import { tracing } from "./tracing.ts";

/** Numbers nested as deep as the rank. */
export type Nested = number | boolean | readonly Nested[];

/**
 * A tensor with the given numbers: nested arrays, or a flat typed array with a `shape`. The type is f32 (bool for booleans, the
 * array's own for typed arrays, which is bool for bytes) unless `dtype` says otherwise.
 */
export function tensor(data: Nested | TypedArray, options: On & { readonly shape?: Shape } = {}): Tensor {
  const { shape, dtype, device } = checkOptions("tensor", options, { shape: true, ...onNames });
  if (dtype) checkType("tensor", dtype);
  if (ArrayBuffer.isView(data)) {
    const own = typeOf(data as TypedArray);
    const type = dtype ?? own;
    // Bytes may be any number; a boolean is 0 or 1.
    const booleans = own === "bool" && type === "bool";
    const elements = booleans ? Uint8Array.from(data as Uint8Array, (v) => (v === 0 ? 0 : 1)) : (data as TypedArray);
    if (own !== type) checkNumbers(toNumbers(own, elements), type);
    return fromData(convert(own, elements, type), { shape: shape ?? [data.length], dtype: type, ...(device && { device }) });
  }
  const found = shapeOf(data as Nested);
  const flat = (Array.isArray(data) ? data.flat(Number.POSITIVE_INFINITY) : [data]) as (number | boolean)[];
  for (const v of flat) {
    if (typeof v !== "number" && typeof v !== "boolean") {
      throw new OpError("tensor", `an element is ${nameOf(v)}, expected numbers or booleans, in arrays`);
    }
  }
  const type = dtype ?? (flat.length > 0 && flat.every((v) => typeof v === "boolean") ? "bool" : "f32");
  const numbers = Float64Array.from(flat, Number);
  checkNumbers(numbers, type);
  return fromData(convert("f64", numbers, type), { shape: shape ?? found, dtype: type, ...(device && { device }) });
}

function checkNumbers(numbers: ArrayLike<number>, dtype: DType): void {
  if (dtype !== "i32" && dtype !== "u32") return;
  for (let i = 0; i < numbers.length; i++) checkFits("tensor", numbers[i], dtype);
}

/** A tensor over the raw elements of its type: f16 as bits. The data is copied to the device. */
export function fromData(
  data: TypedArray,
  { shape, dtype, device = defaultDevice() }: { readonly shape: Shape; readonly dtype: DType; readonly device?: Device },
): Tensor {
  if (data.length !== sizeOf(checkShape("tensor", shape))) {
    throw new OpError("tensor", `${data.length} elements do not fill ${show(shape)}, which has ${sizeOf(shape)}`);
  }
  checkType("tensor", dtype);
  if (!(data instanceof arrays[dtype]))
    throw new OpError("tensor", `the elements come as ${nameOf(data)}, and those of ${dtype} as ${arrays[dtype].name}`);
  device.supports(dtype);
  const node = new Node(device, { shape: [...shape], dtype }, { value: { storage: device.upload(dtype, data), layout: dense(shape) } });
  tracing()?.upload(node, data);
  return new Tensor(node);
}

/** A tensor with uninitialised elements: enough on a dry device, where only its shape matters. */
export function empty(shape: Shape, on: On = {}): Tensor {
  const { dtype = "f32", device = defaultDevice() } = checkOptions("empty", on, onNames);
  checkType("empty", dtype);
  const length = sizeOf(checkShape("empty", shape));
  device.supports(dtype);
  return new Tensor(
    new Node(device, { shape: [...shape], dtype }, { value: { storage: device.allocate(dtype, length), layout: dense(shape) } }),
  );
}

/** `0, 1, …, n − 1` */
export function arange(n: number, on: On = {}): Tensor {
  const { dtype = "f32", device } = checkOptions("arange", on, onNames);
  checkType("arange", dtype);
  if (!Number.isSafeInteger(n) || n < 0) throw new OpError("arange", `${n} is not a whole number ≥ 0`);
  const numbers = Float64Array.from({ length: n }, (_, i) => i);
  return fromData(convert("f64", numbers, dtype), { shape: [n], dtype, ...(device && { device }) });
}

function shapeOf(data: Nested): number[] {
  if (!Array.isArray(data)) return [];
  const inner = data.map(shapeOf);
  const [first = []] = inner;
  for (const s of inner) {
    if (show(s) !== show(first)) throw new OpError("tensor", `the nested arrays are ragged: ${show(first)} beside ${show(s)}`);
  }
  return [data.length, ...first];
}

const nameOf = (value: unknown): string => Object.prototype.toString.call(value);

function typeOf(data: TypedArray): DType {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Float64Array) return "f64";
  if (data instanceof Int32Array) return "i32";
  if (data instanceof Uint32Array) return "u32";
  if (data instanceof Uint16Array) return "f16";
  if (data instanceof Uint8Array) return "bool";
  throw new OpError(
    "tensor",
    `cannot tell the element type of ${nameOf(data)}`,
    "Pass a Float32Array, Float64Array, Int32Array or Uint32Array.",
  );
}
