import { convert, type DType, type Shape, sizeOf } from "@snoopi/core";
import { type KernelInput, scattered } from "@snoopi/core/testing";
import type { Fixed, Input, Samples } from "../samples/sample.ts";
import { type Style, strided } from "./strided.ts";

const isFixed = (input: Input): input is Fixed => !Array.isArray(input);

/** The inputs of a sampled call, made from a seed: bare shapes become `dtype`, in the given styles of memory. */
export function inputsOf(
  call: { readonly inputs: readonly Input[] },
  { domain = [-2, 2] }: Pick<Samples<any>, "domain">,
  dtype: DType,
  seed: number,
  styles: readonly Style[] = ["dense"],
): KernelInput[] {
  return call.inputs.map((input, i) => {
    const style = styles[(seed + i) % styles.length];
    // Shifted against each other, so that two inputs never tie: there, minimum and maximum have a kink.
    const shift = 0.0137 * i;
    const own = domain.map((end) => end + shift) as [number, number];
    if (!isFixed(input)) return strided(style, input, dtype, numbersOf(input, dtype, seed + i, own), seed + i);
    return strided(style, input.shape, input.dtype, numbersOf(input.shape, input.dtype, seed + i, undefined, input.below), seed + i);
  });
}

function numbersOf(
  shape: Shape,
  dtype: DType,
  seed: number,
  domain: readonly [number, number] = [-2, 2],
  below = dtype === "bool" ? 2 : 5,
) {
  const n = sizeOf(shape);
  if (dtype === "i32" && below === 5) return convert("f64", scattered(n, seed, -5, 6).map(Math.floor), dtype);
  if (dtype === "i32" || dtype === "u32" || dtype === "bool") return convert("f64", scattered(n, seed, 0, below).map(Math.floor), dtype);
  return convert("f64", scattered(n, seed, ...domain), dtype);
}

/** Shape and type of an input of an invalid call. */
export const specOf = (input: Input): { shape: Shape; dtype: DType } =>
  isFixed(input) ? { shape: input.shape, dtype: input.dtype } : { shape: input, dtype: "f32" };
