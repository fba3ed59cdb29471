import { abs, add, div, mean, mul, square, sub, type Tensor } from "@snoopi/core";
import type { Levels } from "./process.ts";

/** What a weighting may look at, besides t itself. All pictures are `[B, C, H, W]`. */
export interface Weighed extends Levels {
  /** The student's picture. */
  readonly x0: Tensor;
  /** The teacher's x₀ at x_t. */
  readonly teacherX0: () => Tensor;
}

/** w(t) of Eq. 6, as the factor of the difference of two ε: `[B, 1, 1, 1]`. */
export type Weighting = (at: Weighed) => Tensor;

/** Mean absolute difference of the teacher's picture and the student's, for each sample. */
const distance = ({ x0, teacherX0 }: Weighed): Tensor => mean(abs(sub(x0, teacherX0())), { axis: [1, 2, 3], keepdims: true });

/** At one x_t, the difference of two x₀ is −σ/α times that of their ε. */
const inX0 = ({ sigma, alpha }: Weighed): Tensor => div(sigma, alpha);

/** The weightings of published methods. */
export const weightings = {
  /** σ_t² = 1 − ᾱ_t: ProlificDreamer, SwiftBrush, SNOOPI. */
  sigma2: ({ sigma }) => square(sigma),
  /** 1: the plain difference of ε. */
  one: ({ sigma }) => add(mul(sigma, 0), 1),
  /** α_t: less at the noisy end. */
  alpha: ({ alpha }) => add(alpha, 0),
  /** α_t·σ_t²: Fantasia3D. */
  alphaSigma2: ({ alpha, sigma }) => mul(alpha, square(sigma)),
  /** DMD, DMD2: the difference of the x₀ divided by mean |x₀ − x₀(teacher)|, which for ε is σ/α divided by that mean. */
  dmd: (at) => div(inX0(at), distance(at)),
  /** As `dmd` with 1e-5 in the divisor: PixArt's DMD. */
  pixartDmd: (at) => div(inX0(at), add(distance(at), 1e-5)),
} as const satisfies Record<string, Weighting>;

export type WeightingName = keyof typeof weightings;
