import { SnoopiError } from "@snoopi/core";
import { checkFeatures, checkSameWidth, type Features } from "./features.ts";

export interface PrecisionRecall {
  /** The share of generated samples that lie within the real ones' manifold: fidelity. */
  readonly precision: number;
  /** The share of real samples that lie within the generated ones' manifold: coverage. */
  readonly recall: number;
}

/**
 * Improved precision and recall (Kynkäänniemi et al. 2019). A set's manifold is the union of balls around its samples, each reaching to the
 * sample's `k`-th nearest neighbour in that set, itself not counted; the border belongs to it. Squared distances are summed in f64.
 * Takes time in N²·D and memory in N.
 *
 * @throws SnoopiError when the widths differ, a set has no more than k samples, or a value is not finite.
 */
export function precisionRecall(real: Features, generated: Features, { k = 3 }: { k?: number } = {}): PrecisionRecall {
  const metric = "precision and recall";
  if (!Number.isInteger(k) || k < 1) throw new SnoopiError(`${metric}: k is ${k}. It has to be a whole number of at least 1.`);
  for (const features of [real, generated]) checkFeatures(metric, features, k + 1);
  checkSameWidth(metric, real.shape[1], generated.shape[1]);
  return { precision: shareWithin(generated, real, k), recall: shareWithin(real, generated, k) };
}

function shareWithin(points: Features, manifold: Features, k: number): number {
  const radii = reaches(manifold, k);
  let within = 0;
  for (let i = 0; i < points.shape[0]; i++) {
    if (radii.some((radius, j) => squaredDistance(points, i, manifold, j) <= radius)) within++;
  }
  return within / points.shape[0];
}

/** The squared distance of each sample to its k-th nearest neighbour. */
function reaches(features: Features, k: number): Float64Array {
  const nearest = new Float64Array(k);
  return Float64Array.from({ length: features.shape[0] }, (_, i) => {
    nearest.fill(Number.POSITIVE_INFINITY);
    for (let j = 0; j < features.shape[0]; j++) {
      if (j === i) continue;
      const distance = squaredDistance(features, i, features, j);
      let at = k - 1;
      if (distance >= nearest[at]) continue;
      for (; at > 0 && nearest[at - 1] > distance; at--) nearest[at] = nearest[at - 1];
      nearest[at] = distance;
    }
    return nearest[k - 1];
  });
}

function squaredDistance(a: Features, i: number, b: Features, j: number): number {
  const width = a.shape[1];
  let sum = 0;
  for (let p = i * width, q = j * width, end = p + width; p < end; p++, q++) sum += (a.data[p] - b.data[q]) ** 2;
  return sum;
}
