import { mean, mul, square, sub, type Tensor } from "@snoopi/core";
import type { Adapters, UNet } from "@snoopi/models";
import type { Levels } from "./process.ts";

/** One frozen network that is two teachers. */
export interface Teachers {
  /** ψ: adapters off. */
  readonly teacher: UNet;
  /** π: the named adapter on. */
  readonly lora: UNet;
}

/**
 * The teacher ψ and the LoRA teacher π on one frozen copy of the weights. The network is one
 * built with `adapters.wrap(params)`; `name` is that of an adapter that has been added.
 */
export const teachersOf = (network: UNet, adapters: Adapters, name: string): Teachers => ({
  teacher: (...args) => adapters.with([], () => network(...args)),
  lora: (...args) => adapters.with(name, () => network(...args)),
});

/**
 * The LoRA teacher's loss (SNOOPI A2 as SwiftBrush computes it): `mean((α_t·ε_π − α_t·ε)²)`, the squared error of ε weighted by ᾱ_t, or
 * unweighted with `weighting: "one"`. `predicted` is ε_π at α_t·x̂₀ + σ_t·ε, x̂₀ detached.
 */
export function loraTeacherLoss(
  predicted: Tensor,
  noise: Tensor,
  { alpha, weighting = "abar" }: Pick<Levels, "alpha"> & { readonly weighting?: "abar" | "one" },
): Tensor {
  const away = sub(predicted, noise);
  return mean(square(weighting === "one" ? away : mul(away, alpha)));
}
