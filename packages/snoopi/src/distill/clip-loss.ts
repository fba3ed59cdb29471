import { add, div, mean, mul, relu, SnoopiError, sqrt, square, sub, sum, type Tensor } from "@snoopi/core";

/**
 * Clamped CLIP loss (SNOOPI A3, SwiftBrush v2 Eq. 5): the mean over a batch of `max(0, τ − cos(image, text))`. `image [B, D]` are CLIP's
 * embeddings of decoded pictures, `text [1 or B, D]` those of their prompts, of any norm. A picture whose cosine exceeds τ has no gradient.
 */
export function clampedClipLoss(image: Tensor, text: Tensor, { margin = 0.37 }: { readonly margin?: number } = {}): Tensor {
  const normalized = (x: Tensor) => div(x, sqrt(add(sum(square(x), { axis: 1, keepdims: true }), 1e-12)));
  const cosine = sum(mul(normalized(image), normalized(text)), { axis: 1 });
  return mean(relu(sub(margin, cosine)));
}

export interface DecayOptions {
  /** At the first step. Default 0.1, SNOOPI's. */
  readonly from?: number;
  /** Steps of the training: the weight is 0 at the last. */
  readonly steps: number;
  /** Default `"linear"`: the paper says only "gradually". */
  readonly shape?: "linear" | "cosine" | "none";
}

/** λ(n) of SNOOPI A4: the weight of the CLIP loss at step n, from 0 on. @throws SnoopiError for steps that are no whole number above 0. */
export function decayingWeight(n: number, { from = 0.1, steps, shape = "linear" }: DecayOptions): number {
  if (!Number.isSafeInteger(steps) || steps < 1) throw new SnoopiError(`decay: there are ${steps} steps. Give a whole number above 0.`);
  const done = steps === 1 ? 0 : Math.min(1, Math.max(0, n / (steps - 1)));
  return from * { linear: 1 - done, cosine: (1 + Math.cos(Math.PI * done)) / 2, none: 1 }[shape];
}
