import type { AttrsOf, elementwiseOps } from "@snoopi/core";
import { arbBroadcast, arbShape } from "@snoopi/core/testing";
import fc from "fast-check";
import type { Input, Samples } from "./sample.ts";

type Name = Exclude<keyof typeof elementwiseOps, "where" | "cast">;

const shape = fc.oneof(
  { weight: 6, arbitrary: arbShape() },
  { weight: 1, arbitrary: arbShape({ minLength: 0, maxLength: 3 }) },
  { weight: 1, arbitrary: arbShape({ minRank: 1, maxRank: 2, maxLength: 70 }) },
);
const pair = fc.oneof({ weight: 6, arbitrary: arbBroadcast(2) }, { weight: 1, arbitrary: arbBroadcast(2, { minLength: 0, maxLength: 3 }) });
const triple = arbBroadcast(3);

const unary: Samples<void> = { valid: shape.map((s) => ({ inputs: [s], attrs: undefined })), invalid: [], domain: [-3, 3], integers: true };
const real: Samples<void> = { ...unary, integers: false };
const positive: Samples<void> = { ...real, domain: [0.2, 3] };

const binary = (name: Name, more: Partial<Samples<void>> = {}): Samples<void> => ({
  valid: pair.map((inputs) => ({ inputs, attrs: undefined })),
  invalid: [
    { inputs: [[2, 3], [4]], attrs: undefined, says: `${name}: cannot broadcast [2, 3] with [4]: axis 1 is 3 in one and 4 in the other.` },
    {
      inputs: [
        [5, 1, 2],
        [3, 4, 2],
      ],
      attrs: undefined,
      says: `${name}: cannot broadcast [5, 1, 2] with [3, 4, 2]: axis 0 is 5 in one and 3 in the other.`,
    },
  ],
  integers: true,
  ...more,
});

export const arithmetic: { readonly [K in Name]: Samples<void> } = {
  add: binary("add"),
  sub: binary("sub"),
  mul: binary("mul"),
  div: binary("div", { domain: [0.3, 2], integers: false }),
  pow: binary("pow", { domain: [0.3, 2.5], integers: false }),
  minimum: binary("minimum"),
  maximum: binary("maximum"),
  neg: unary,
  abs: unary,
  sign: unary,
  square: unary,
  relu: unary,
  logicalNot: unary,
  floor: real,
  exp: real,
  log: positive,
  sqrt: positive,
  rsqrt: positive,
  sin: real,
  cos: real,
  tanh: real,
  erf: real,
  sigmoid: real,
  silu: real,
  quickGelu: real,
  gelu: real,
  geluTanh: real,
  less: binary("less"),
  lessEqual: binary("lessEqual"),
  greater: binary("greater"),
  greaterEqual: binary("greaterEqual"),
  equal: binary("equal"),
  notEqual: binary("notEqual"),
};

export const where: Samples<void> = {
  valid: triple.map(([c, a, b]) => ({ inputs: [{ shape: c, dtype: "bool" }, a, b], attrs: undefined })),
  invalid: [
    { inputs: [[2], [2], [2]], attrs: undefined, says: "where: the condition is f32, not bool. Compare it with something first." },
    {
      inputs: [{ shape: [2], dtype: "bool" }, [3], [1]],
      attrs: undefined,
      says: "where: cannot broadcast [2] with [3]: axis 0 is 2 in one and 3 in the other.",
    },
  ],
  integers: true,
};

export const cast: Samples<AttrsOf<"cast">> = {
  valid: fc.oneof(
    // Negative floats have no u32.
    fc
      .tuple(shape, fc.constantFrom("f32" as const, "f16" as const, "i32" as const, "bool" as const))
      .map(([s, dtype]) => ({ inputs: [s] as Input[], attrs: { dtype } })),
    fc
      .tuple(
        shape,
        fc.constantFrom("i32" as const, "u32" as const, "bool" as const),
        fc.constantFrom("f32" as const, "f16" as const, "i32" as const, "u32" as const, "bool" as const),
      )
      .map(([s, from, dtype]) => ({ inputs: [{ shape: s, dtype: from, below: 9 }] as Input[], attrs: { dtype } })),
  ),
  invalid: [],
  // Rounding to a narrower type has no finite differences.
  differences: false,
};
