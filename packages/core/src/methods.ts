import type { NdArray } from "ndarray";
import type { Device } from "./device.ts";
import type { DType, TypedArray } from "./dtype.ts";
import { add, div, mul, neg, pow, sub } from "./ops/arithmetic.ts";
import { cast } from "./ops/cast.ts";
import type { Like } from "./ops/elementwise.ts";
import { matmul } from "./ops/matmul.ts";
import { mean } from "./ops/mean.ts";
import { permute, reshape, transpose } from "./ops/movement.ts";
import { type Range, slice } from "./ops/slice.ts";
import { type ReduceOptions, sum } from "./ops/sum.ts";
import { copyTo, data, item } from "./realize.ts";
import type { Shape } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/** Arithmetic that reads left to right. Everything else is a free function. */
interface Methods {
  add(b: Like): Tensor;
  sub(b: Like): Tensor;
  mul(b: Like): Tensor;
  div(b: Like): Tensor;
  pow(b: Like): Tensor;
  neg(): Tensor;
  matmul(b: Tensor): Tensor;
  sum(options?: ReduceOptions): Tensor;
  mean(options?: ReduceOptions): Tensor;
  reshape(shape: Shape): Tensor;
  permute(order: readonly number[]): Tensor;
  transpose(a?: number, b?: number): Tensor;
  slice(ranges: readonly (Range | null)[]): Tensor;
  /** The tensor as another element type. */
  to(dtype: DType): Tensor;
  copyTo(device: Device): Promise<Tensor>;
  /** The elements in row-major order; f16 widened. */
  data(): Promise<Exclude<TypedArray, Uint16Array>>;
  item(): Promise<number>;
  /** The elements as an `ndarray` of the npm package of that name. */
  ndarray(): Promise<NdArray<Exclude<TypedArray, Uint16Array>>>;
}

declare module "./tensor.ts" {
  interface Tensor extends Methods {}
}

const methods: { [K in keyof Methods]: (this: Tensor, ...args: Parameters<Methods[K]>) => ReturnType<Methods[K]> } = {
  add(b) {
    return add(this, b);
  },
  sub(b) {
    return sub(this, b);
  },
  mul(b) {
    return mul(this, b);
  },
  div(b) {
    return div(this, b);
  },
  pow(b) {
    return pow(this, b);
  },
  neg() {
    return neg(this);
  },
  matmul(b) {
    return matmul(this, b);
  },
  sum(options) {
    return sum(this, options);
  },
  mean(options) {
    return mean(this, options);
  },
  reshape(shape) {
    return reshape(this, shape);
  },
  permute(order) {
    return permute(this, order);
  },
  transpose(a, b) {
    return transpose(this, a, b);
  },
  slice(ranges) {
    return slice(this, ranges);
  },
  to(dtype) {
    return cast(this, dtype);
  },
  copyTo(device) {
    return copyTo(this, device);
  },
  data() {
    return data(this);
  },
  item() {
    return item(this);
  },
  async ndarray() {
    const { default: wrap } = await import("ndarray");
    return wrap(await data(this), [...this.shape]);
  },
};

Object.assign(Tensor.prototype, methods);
