import {
  broadcastTo,
  type Device,
  type DType,
  dense,
  fromData,
  permute,
  reshape,
  type Shape,
  sizeOf,
  slice,
  stridesOf,
  type TypedArray,
  walk,
} from "@snoopi/core";
import type { KernelInput } from "@snoopi/core/testing";

export type Style = "dense" | "behind" | "permuted" | "sliced" | "repeated";

/** A tensor with the given elements that lies in memory as `style` says. A repeated one takes only some of the elements. */
export function strided(style: Style, shape: Shape, dtype: DType, data: TypedArray, seed: number): KernelInput {
  return ways[shape.length === 0 || sizeOf(shape) === 0 ? "dense" : style](shape, dtype, data, seed);
}

const ways: { readonly [K in Style]: (shape: Shape, dtype: DType, data: TypedArray, seed: number) => KernelInput } = {
  dense: (shape, dtype, data) => (device) => fromData(data, { shape, dtype, device }),

  behind(shape, dtype, data) {
    // As rows of a larger tensor: dense, and far enough behind its start that WebGPU can bind them alone.
    const [before, after] = [128, 5];
    const base = new (data.constructor as new (n: number) => TypedArray)(before + data.length + after).fill(dtype === "bool" ? 1 : 77);
    base.set(data as never, before);
    return (device: Device) =>
      reshape(slice(fromData(base, { shape: [base.length], dtype, device }), [[before, before + data.length]]), shape);
  },

  permuted(shape, dtype, data, seed) {
    // Rotated axes, and reversed for odd seeds: neither is its own inverse from rank 3 on.
    const axes = shape.map((_, i) => (i + 1 + (seed % Math.max(1, shape.length - 1))) % shape.length);
    const order = seed & 1 ? axes.toReversed() : axes;
    const strides = stridesOf(shape);
    const base = data.slice();
    walk({ shape: order.map((a) => shape[a]), strides: order.map((a) => strides[a]), offset: 0 }, (i, at) => {
      base[i] = data[at];
    });
    const inverse = order.map((_, i) => order.indexOf(i));
    return (device: Device) => permute(fromData(base, { shape: order.map((a) => shape[a]), dtype, device }), inverse);
  },

  sliced(shape, dtype, data, seed) {
    const cuts = shape.map((d, i) => {
      const [start, step] = [(seed >> i) & 3, 1 + ((seed >> (i + 2)) & 1)];
      return { start, step, end: start + (d - 1) * step + 1 };
    });
    const outer = cuts.map(({ end }, i) => end + ((seed >> (i + 3)) & 1));
    const strides = stridesOf(outer);
    // What lies between must not be read.
    const base = new (data.constructor as new (n: number) => TypedArray)(sizeOf(outer)).fill(dtype === "bool" ? 1 : 77);
    const offset = cuts.reduce((at, { start }, i) => at + start * strides[i], 0);
    walk({ ...dense(shape), strides: strides.map((s, i) => s * cuts[i].step), offset }, (i, at) => {
      base[at] = data[i];
    });
    return (device: Device) =>
      slice(
        fromData(base, { shape: outer, dtype, device }),
        cuts.map(({ start, end, step }) => [start, end, step]),
      );
  },

  repeated(shape, dtype, data, seed) {
    const short = shape.map((d, i) => ((seed >> i) & 1 ? 1 : d));
    return (device: Device) => broadcastTo(fromData(data.slice(0, sizeOf(short)), { shape: short, dtype, device }), shape);
  },
};
