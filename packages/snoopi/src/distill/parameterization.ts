import type { Tensor } from "@snoopi/core";
import type { Levels } from "./process.ts";

/** How a network's output at x_t gives ε and x₀. */
export interface Parameterization {
  eps(output: Tensor, x: Tensor, levels: Levels): Tensor;
  x0(output: Tensor, x: Tensor, levels: Levels): Tensor;
}

const x0FromEps = (eps: Tensor, x: Tensor, { alpha, sigma }: Levels): Tensor => x.sub(eps.mul(sigma)).div(alpha);

/**
 * The things networks are trained to predict. `epsilon`: Eq. A1. `v_prediction`: v = α·ε − σ·x₀ where α² + σ² = 1 (Salimans & Ho 2022).
 * `sample`: x₀. `flow`: the velocity ε − x₀, for any α and σ (Liu et al. 2022 have α + σ = 1).
 */
export const parameterizations = {
  epsilon: { eps: (output) => output, x0: x0FromEps },
  v_prediction: {
    eps: (v, x, { alpha, sigma }) => v.mul(alpha).add(x.mul(sigma)),
    x0: (v, x, { alpha, sigma }) => x.mul(alpha).sub(v.mul(sigma)),
  },
  sample: { eps: (x0, x, { alpha, sigma }) => x.sub(x0.mul(alpha)).div(sigma), x0: (x0) => x0 },
  flow: {
    eps: (u, x, { alpha, sigma }) => x.add(u.mul(alpha)).div(alpha.add(sigma)),
    x0: (u, x, { alpha, sigma }) => x.sub(u.mul(sigma)).div(alpha.add(sigma)),
  },
} as const satisfies Record<string, Parameterization>;

/** What a network predicts: ε, v, x₀ or a flow's velocity. */
export type Prediction = keyof typeof parameterizations;

/** x₀ from a predicted ε at x_t. */
export { x0FromEps };
