import type { DType, Shape, Value } from "@snoopi/core";
import type { ElementBound } from "@snoopi/core/testing";
import fc from "fast-check";

/** An input of a call. A bare shape takes the float type (or, where the op allows, the integer type) under test. */
export type Input = Shape | Fixed;

/** An input whose type belongs to the call, such as a mask or ids. */
export interface Fixed {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Integers come from 0 to here, exclusively. Default 5. */
  readonly below?: number;
}

export interface Call<A> {
  readonly inputs: readonly Input[];
  readonly attrs: A;
}

export interface Invalid<A> extends Call<A> {
  readonly says: string;
}

export interface Samples<A> {
  /** Calls that must work. Sizes straddle tile edges where kernels have tiles. */
  readonly valid: fc.Arbitrary<Call<A>>;
  /** Calls that must throw, and exactly what they say; bare shapes are f32. */
  readonly invalid: readonly Invalid<A>[];
  /** Where floats are drawn from: narrower where the op has a pole. Default [−2, 2]. */
  readonly domain?: readonly [low: number, high: number];
  /** Whether finite differences tell the derivative. Default true. */
  readonly differences?: boolean;
  /** Whether bare inputs may be integers too. Default false. */
  readonly integers?: boolean;
  /** Whether a strided input may be a broadcast view, whose elements repeat. Default true. */
  readonly repeats?: boolean;
  /** Most that a kernel's results may differ by, where {@link checkKernel}'s own bound does not apply. */
  readonly bound?: (inputs: readonly Value[], attrs: A, out: Value, result: number) => ElementBound;
}

/** Sizes on both sides of a tile edge, whether a kernel's tiles are 4, 8, 16, 32 or 64 wide. */
export const tiled = fc.constantFrom(1, 3, 4, 7, 8, 9, 16, 17, 33, 35, 65);
/** As {@link tiled}, where three or four sizes multiply. */
export const edged = fc.constantFrom(1, 2, 3, 5, 8, 9, 17);
/** Axes that are only looped over. */
export const small = fc.integer({ min: 1, max: 4 });
/** {@link small}, and now and then 0. */
export const perhapsNone = fc.oneof({ weight: 9, arbitrary: small }, { weight: 1, arbitrary: fc.constant(0) });
