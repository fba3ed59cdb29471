/** A schedule of the learning rate, as data. */
export interface Rate {
  /** The highest rate. */
  readonly peak: number;
  /** Share of the steps in which it rises from (nearly) 0 to its peak. */
  readonly warmup: number;
  /** How it falls from there: not at all, straight to 0, or along half a period of a cosine (PyTorch's `OneCycleLR`). */
  readonly shape: "constant" | "linear" | "one-cycle";
}

/** `OneCycleLR`'s first and last rate, as shares of its peak. */
const oneCycle = { first: 1 / 25, last: 1 / 25e4 };

/**
 * The rate of step `step`, counted from 0, of a run of `steps`. `"one-cycle"` equals PyTorch's `OneCycleLR(peak, steps, pct_start=warmup)`.
 * The others rise as (n + 1) / warm-up steps, so that the first step moves already; `"linear"` also falls to 0 over all steps, and the
 * lower of the two applies.
 */
export function rateAt({ peak, warmup, shape }: Rate, step: number, steps: number): number {
  if (shape === "one-cycle") {
    const top = warmup * steps - 1;
    const cosine = (from: number, to: number, share: number) => to + ((from - to) / 2) * (1 + Math.cos(Math.PI * share));
    if (step <= top) return peak * cosine(oneCycle.first, 1, top > 0 ? step / top : 1);
    return peak * cosine(1, oneCycle.last, Math.min(1, (step - top) / (steps - 1 - top || 1)));
  }
  const rising = warmup > 0 ? Math.min(1, (step + 1) / (warmup * steps)) : 1;
  return peak * (shape === "linear" ? Math.min(rising, Math.max(0, (steps - step) / steps)) : rising);
}
