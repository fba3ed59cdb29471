import fc from "fast-check";
import { fromData } from "../create.ts";
import type { Device } from "../device.ts";
import { convert, type DType } from "../dtype.ts";
import { type Shape, show, sizeOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { scattered } from "./scattered.ts";

export interface ShapeConstraints {
  /** Default 0. */
  readonly minRank?: number;
  /** Default 4. */
  readonly maxRank?: number;
  /** Of an axis. Default 1; 0 allows tensors without elements. */
  readonly minLength?: number;
  /** Of an axis. Default 5. */
  readonly maxLength?: number;
}

/** Shapes; they shrink towards few and short axes. */
export function arbShape({ minRank = 0, maxRank = 4, minLength = 1, maxLength = 5 }: ShapeConstraints = {}): fc.Arbitrary<Shape> {
  return fc.array(fc.integer({ min: minLength, max: maxLength }), { minLength: minRank, maxLength: maxRank });
}

/** `count` shapes that broadcast together: each is one common shape with some axes collapsed to one and some leading axes dropped. */
export function arbBroadcast(count: number, constraints: ShapeConstraints = {}): fc.Arbitrary<Shape[]> {
  return arbShape(constraints).chain((to) => {
    const part = fc
      .tuple(fc.tuple(...to.map((d) => fc.constantFrom(d, 1))), fc.nat({ max: to.length }))
      .map(([shape, dropped]): Shape => shape.slice(dropped));
    return fc.tuple(...Array.from({ length: count }, () => part));
  });
}

export interface TensorConstraints {
  /** Default f64, which gradient checks need. */
  readonly dtype?: DType;
  /** Range of the elements. Default [−2, 2]. */
  readonly domain?: readonly [low: number, high: number];
  readonly device?: Device;
}

/** Tensors of a given shape, or of one that an arbitrary gives. A counterexample prints as type, shape and seed. */
export function arbTensor(shape: Shape | fc.Arbitrary<Shape>, constraints: TensorConstraints = {}): fc.Arbitrary<Tensor> {
  const { dtype = "f64", domain = [-2, 2], device } = constraints;
  const shapes = shape instanceof fc.Arbitrary ? shape : fc.constant(shape);
  return fc.tuple(shapes, fc.nat({ max: 2 ** 31 - 1 })).map(([shape, seed]) => {
    const values = convert("f64", scattered(sizeOf(shape), seed, ...domain), dtype);
    const tensor = fromData(values, { shape, dtype, ...(device && { device }) });
    return Object.assign(tensor, { [fc.toStringMethod]: () => `${dtype} ${show(shape)} (seed ${seed})` });
  });
}
