import fc from "fast-check";
import { createCpu } from "../cpu.ts";
import { fromData } from "../create.ts";
import { isFloat } from "../dtype.ts";
import { SnoopiError } from "../error.ts";
import { vjp } from "../grad.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { sum } from "../ops/sum.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { data } from "../realize.ts";
import { scope } from "../scope.ts";
import { show, sizeOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { scattered } from "./scattered.ts";

export interface GradCheckOptions {
  /** What a failure names. Default the function's own name. */
  readonly name?: string;
  /** 2 checks the gradient of the gradient as well. Default 1. */
  readonly order?: 1 | 2;
  /** Most that analytic and numeric derivative a and b may differ by, in units of 1 + |a| + |b|. Default 1e-6. */
  readonly tolerance?: number;
  /** Half the distance between the two points. Default 1e-5: in f64 its truncation (h²) and rounding (2⁻⁵³/h) are both near 1e-10. */
  readonly step?: number;
  /** Of the directions. Default 1. */
  readonly seed?: number;
  /** Inputs to try when they come from an arbitrary. Default 100. */
  readonly numRuns?: number;
}

const gradCheckNames: NamesOf<GradCheckOptions> = { name: true, order: true, tolerance: true, step: true, seed: true, numRuns: true };

type Fn = (...inputs: Tensor[]) => Tensor;

/**
 * Checks that the gradient of `fn` is the derivative of its value: along a random direction u and for a random cotangent v, ⟨v, J u⟩ by
 * central differences must equal ⟨Jᵀ v, u⟩ by `vjp`. Everything is computed in f64 on the CPU, whatever the inputs are; integer
 * and boolean inputs are held fixed.
 *
 * `inputs` are tensors, or a fast-check arbitrary of them: then the smallest failing inputs are reported.
 * @throws SnoopiError naming the function, the shapes, both derivatives and the inputs whose gradients are wrong
 */
export async function checkGrads(
  fn: Fn,
  inputs: readonly Tensor[] | fc.Arbitrary<readonly Tensor[]>,
  options: GradCheckOptions = {},
): Promise<void> {
  checkOptions("checkGrads", options, gradCheckNames);
  if (!(inputs instanceof fc.Arbitrary)) return check(fn, inputs, options);
  const property = fc.asyncProperty(inputs, (tensors) => check(fn, tensors, options));
  await fc.assert(property, { numRuns: options.numRuns ?? 100, seed: options.seed ?? 1 });
}

async function check(fn: Fn, inputs: readonly Tensor[], options: GradCheckOptions): Promise<void> {
  const { name = fn.name || "the function", order = 1, seed = 1 } = options;
  const device = createCpu();
  await scope(async (s) => {
    const points = await Promise.all(inputs.map(async (x) => ({ x, values: await data(x) })));
    const exact = s.run(() =>
      points.map(({ x, values }) =>
        isFloat(x.dtype)
          ? fromData(Float64Array.from(values), { shape: x.shape, dtype: "f64", device })
          : fromData(values, { shape: x.shape, dtype: x.dtype, device }),
      ),
    );
    await first(fn, exact, name, options);
    if (order === 1) return;
    // The pullback is itself a function of the inputs and of the cotangent; one random projection of it is enough.
    const moved = exact.flatMap((x, i) => (isFloat(x.dtype) ? [i] : []));
    const shape = s.run(() => fn(...exact).shape);
    const cotangent = s.run(() => direction({ shape, device }, seed + 50));
    const weights = s.run(() => moved.map((i) => direction(exact[i], seed + 60 + i)));
    const gradient: Fn = (...all) => {
      const [v, xs] = [all[exact.length], all.slice(0, exact.length)];
      const [, pull] = vjp(
        (floats: Tensor[]) => fn(...xs.map((x, i) => (moved.includes(i) ? floats[moved.indexOf(i)] : x))),
        moved.map((i) => xs[i]),
      );
      return pull(v)
        .map((g, k) => sum(mul(g, weights[k])))
        .reduce((a, b) => add(a, b));
    };
    await first(gradient, [...exact, cotangent], `the gradient of ${name}`, options);
  });
}

async function first(fn: Fn, inputs: readonly Tensor[], name: string, { tolerance = 1e-6, step = 1e-5, seed = 1 }: GradCheckOptions) {
  const floats = inputs.flatMap((x, i) => (isFloat(x.dtype) ? [i] : []));
  const compare = async (moved: readonly number[]) =>
    scope(async (s) => {
      const directions = s.run(() => moved.map((i) => direction(inputs[i], seed + i)));
      const at = (h: number) => inputs.map((x, i) => (moved.includes(i) ? add(x, mul(directions[moved.indexOf(i)], h)) : x));
      const [plus, minus, pulled] = s.run(() => {
        const [y, pull] = vjp(
          (xs: Tensor[]) => fn(...inputs.map((x, i) => (moved.includes(i) ? xs[moved.indexOf(i)] : x))),
          moved.map((i) => inputs[i]),
        );
        const v = direction(y, seed + 40);
        const inner = (a: Tensor, b: Tensor) => sum(mul(a, b));
        const analytic = pull(v).map((g, k) => inner(g, directions[k]));
        return [fn(...at(step)), fn(...at(-step)), { v, analytic }] as const;
      });
      const [p, m, v] = await Promise.all([data(plus), data(minus), data(pulled.v)]);
      const numeric = Array.from(v).reduce((total, vi, i) => total + (vi * (p[i] - m[i])) / (2 * step), 0);
      const analytic = (await Promise.all(pulled.analytic.map(data))).reduce((total, g) => total + g[0], 0);
      return { numeric, analytic, agree: Math.abs(numeric - analytic) <= tolerance * (1 + Math.abs(numeric) + Math.abs(analytic)) };
    });
  const { numeric, analytic, agree } = await compare(floats);
  if (agree) return;
  const wrong: string[] = [];
  for (const i of floats) {
    const one = await compare([i]);
    if (!one.agree) wrong.push(`input ${i} (analytic ${one.analytic}, numeric ${one.numeric})`);
  }
  const call = `${name}(${inputs.map((x) => `${x.dtype} ${show(x.shape)}`).join(", ")})`;
  throw new SnoopiError(
    `checkGrads: ${call} has the derivative ${numeric} by differences and ${analytic} by vjp.${wrong.length ? ` Wrong: ${wrong.join(", ")}.` : ""}`,
  );
}

/** A random direction like `x`, in f64. */
function direction({ shape, device }: Pick<Tensor, "shape" | "device">, seed: number): Tensor {
  return fromData(scattered(sizeOf(shape), seed * 7919, -1, 1), { shape, dtype: "f64", device });
}
