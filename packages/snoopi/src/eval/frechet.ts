import { SnoopiError } from "@snoopi/core";
import { checkSameWidth } from "./features.ts";
import { covariance, type Moments } from "./moments.ts";
import { symmetricEigen } from "./symmetric-eigen.ts";

/**
 * The Fréchet distance between the Gaussians with the moments of two sets (Heusel et al. 2017; FID on Inception's features):
 * `‖μ₁ − μ₂‖² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁^½ Σ₂ Σ₁^½)^½`, covariances unbiased, all in f64. The trace is a sum of roots of the eigenvalues of a
 * symmetric matrix, so no complex root appears, and no constant is added to singular covariances. It is biased upward for few samples:
 * compare only figures from equally many.
 *
 * @throws SnoopiError when the widths differ or a set has fewer than two samples.
 */
export function frechetDistance(a: Moments, b: Moments): number {
  checkSameWidth("Fréchet distance", a.mean.length, b.mean.length);
  for (const { count } of [a, b]) {
    if (count < 2) throw new SnoopiError(`Fréchet distance: ${count} samples have no covariance. Pass at least 2 on each side.`);
  }
  // The product's rank is at most the smaller set's. Roots are taken within that range only: outside, the root of a rounding error of
  // 1e-16 would count as 1e-8.
  const [narrow, wide] = a.count <= b.count ? [a, b] : [b, a];
  let distance = 0;
  for (let j = 0; j < a.mean.length; j++) distance += (a.mean[j] - b.mean[j]) ** 2;
  const [first, second] = [covariance(narrow), covariance(wide)];
  return Math.max(0, distance + trace(first) + trace(second) - 2 * traceOfRoot(first, second));
}

/** `tr (A^½ B A^½)^½` with A = Vᵀ Λ V: the eigenvalues are those of Λ^½ V B Vᵀ Λ^½, where rows of eigenvalue 0 drop out. */
function traceOfRoot(a: Float64Array, b: Float64Array): number {
  const n = Math.round(Math.sqrt(a.length));
  const { values, vectors } = symmetricEigen(a);
  const least = values.reduce((most, value) => Math.max(most, value), 0) * n * Number.EPSILON;
  const rows: Float64Array[] = [];
  values.forEach((value, i) => {
    if (value > least) rows.push(vectors.slice(i * n, i * n + n).map((v) => v * Math.sqrt(value)));
  });
  const inner = new Float64Array(rows.length ** 2);
  const product = new Float64Array(n);
  for (let i = 0; i < rows.length; i++) {
    product.fill(0);
    for (let k = 0; k < n; k++) {
      const v = rows[i][k];
      for (let j = 0, at = k * n; j < n; j++) product[j] += v * b[at++];
    }
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += product[k] * rows[j][k];
      inner[i * rows.length + j] = sum;
      inner[j * rows.length + i] = sum;
    }
  }
  // A covariance has no negative eigenvalue: what is below zero is rounding.
  return symmetricEigen(inner, { vectors: false }).values.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
}

function trace(matrix: Float64Array): number {
  const n = Math.round(Math.sqrt(matrix.length));
  let sum = 0;
  for (let i = 0; i < n; i++) sum += matrix[i * n + i];
  return sum;
}
