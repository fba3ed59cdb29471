import { cast, mul, noGrad, notEqual, scope, sub, type Tensor, where } from "@snoopi/core";
import { x0FromEps } from "./parameterization.ts";
import type { Levels } from "./process.ts";
import { type WeightingName, weightings } from "./weighting.ts";

export interface CotangentOptions extends Levels {
  /** The student's picture x̂₀ `[B, C, H, W]`. */
  readonly x0: Tensor;
  /** x̂_t = α_t·x̂₀ + σ_t·ε, at which the scores were computed. */
  readonly xt: Tensor;
  /** The guided ε of the frozen teacher at x̂_t. */
  readonly teacher: Tensor;
  /** w(t). */
  readonly weighting: WeightingName;
}

/**
 * The cotangent of x̂₀ in variational score distillation, `g = w(t)·(ε_ψ − ε_π)` (SNOOPI Eq. 6 and 7), which the student pulls back, in
 * f32. NaN counts as 0, and no gradient flows through g.
 */
export const vsdCotangent = (options: CotangentOptions & { readonly lora: Tensor }): Tensor => weighted(options, options.lora);

/** Score distillation sampling (DreamFusion): {@link vsdCotangent} with the noise that was added in place of the LoRA teacher's ε. */
export const sdsCotangent = (options: CotangentOptions & { readonly noise: Tensor }): Tensor => weighted(options, options.noise);

/**
 * Distribution matching distillation, `(x₀(fake) − x₀(teacher)) / mean |x̂₀ − x₀(teacher)|`, the mean over each sample: the difference
 * (p_real − p_fake)/mean |p_real| of DMD2. It equals {@link vsdCotangent} weighted by `"dmd"`, in f32 where DMD2 has f64.
 */
export const dmdCotangent = (options: Omit<CotangentOptions, "weighting"> & { readonly lora: Tensor }): Tensor =>
  weighted({ ...options, weighting: "dmd" }, options.lora);

function weighted({ x0, xt, teacher, alpha, sigma, weighting }: CotangentOptions, other: Tensor): Tensor {
  return noGrad(() =>
    scope(() => {
      const [eps, away, picture, noisy] = [teacher, other, x0, xt].map((t) => cast(t, "f32"));
      const teacherX0 = () => x0FromEps(eps, noisy, { alpha, sigma });
      const w = weightings[weighting]({ x0: picture, teacherX0, alpha, sigma });
      return nanToZero(mul(sub(eps, away), w));
    }),
  );
}

/** The tensor with 0 for NaN. Infinities stay. */
export const nanToZero = (x: Tensor): Tensor => where(notEqual(x, x), 0, x);
