import { SnoopiError } from "@snoopi/core";
import { checkFeatures, checkSameWidth, type Features } from "./features.ts";

/**
 * What the Fréchet distance needs of a set of samples, in f64. Its size does not depend on how many samples there were, and two can be
 * merged without the samples, so that an evaluation can stop and resume.
 */
export interface Moments {
  readonly count: number;
  /** [D]. */
  readonly mean: Float64Array;
  /** [D, D]: the sum over samples of (x − mean)(x − mean)ᵀ. */
  readonly scatter: Float64Array;
}

/** The moments of no samples at all: the start of a stream. */
export function emptyMoments(width: number): Moments {
  return { count: 0, mean: new Float64Array(width), scatter: new Float64Array(width * width) };
}

/**
 * The moments of one batch `[N, D]`. Two passes, because sums of squares lose precision when the mean is large.
 *
 * @throws SnoopiError when the data does not fill its shape or is not finite.
 */
export function momentsOf(features: Features): Moments {
  checkFeatures("moments", features);
  const {
    data,
    shape: [count, width],
  } = features;
  const mean = new Float64Array(width);
  for (let i = 0, at = 0; i < count; i++) for (let j = 0; j < width; j++) mean[j] += data[at++];
  for (let j = 0; j < width; j++) mean[j] /= count;
  const scatter = new Float64Array(width * width);
  const centred = new Float64Array(width);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < width; j++) centred[j] = data[i * width + j] - mean[j];
    addOuter(scatter, centred, 1);
  }
  mirror(scatter, width);
  return { count, mean, scatter };
}

/**
 * The moments of both sets together (Chan, Golub and LeVeque 1979), in any order and grouping up to rounding.
 *
 * @throws SnoopiError when their widths differ.
 */
export function mergeMoments(a: Moments, b: Moments): Moments {
  checkSameWidth("merge moments", a.mean.length, b.mean.length);
  const count = a.count + b.count;
  if (count === 0) return emptyMoments(a.mean.length);
  const difference = b.mean.map((value, j) => value - a.mean[j]);
  const mean = a.mean.map((value, j) => value + (difference[j] * b.count) / count);
  const scatter = a.scatter.map((value, i) => value + b.scatter[i]);
  addOuter(scatter, difference, (a.count * b.count) / count);
  mirror(scatter, mean.length);
  return { count, mean, scatter };
}

/**
 * The unbiased covariance `[D, D]`, NumPy's `cov`.
 *
 * @throws SnoopiError for fewer than two samples.
 */
export function covariance({ count, scatter }: Moments): Float64Array {
  if (count < 2) throw new SnoopiError(`covariance: ${count} samples have none. Pass at least 2.`);
  return scatter.map((value) => value / (count - 1));
}

/** Adds `weight · v vᵀ` to the upper triangle. */
function addOuter(matrix: Float64Array, v: Float64Array, weight: number): void {
  const n = v.length;
  for (let i = 0; i < n; i++) {
    const scaled = weight * v[i];
    if (scaled !== 0) for (let j = i, at = i * n + i; j < n; j++) matrix[at++] += scaled * v[j];
  }
}

function mirror(matrix: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) matrix[i * n + j] = matrix[j * n + i];
}
