import { SnoopiError } from "@snoopi/core";

export interface SymmetricEigen {
  /** [n], in no particular order. */
  readonly values: Float64Array;
  /** [n, n]: row i is the unit eigenvector of value i. Empty when only values were asked for. */
  readonly vectors: Float64Array;
}

const mostSweeps = 60;
/** Anything smaller counts as zero: its square may be subnormal, and a rotation made from it would not be one. */
const smallest = 2 ** -500;

/**
 * Eigenvalues and, unless `vectors` is false, eigenvectors of a symmetric matrix `[n, n]` in f64: Householder reflections to tridiagonal
 * form, then the QL iteration with implicit Wilkinson shifts (Golub and Van Loan, Matrix Computations, 8.3). Values are off by a small
 * multiple of 2⁻⁵²·‖matrix‖. Vectors stand in rows here, so that both loops walk memory in order.
 *
 * @throws SnoopiError when a value is not finite.
 */
export function symmetricEigen(matrix: Float64Array, { vectors = true } = {}): SymmetricEigen {
  const n = Math.round(Math.sqrt(matrix.length));
  const largest = matrix.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!Number.isFinite(largest)) {
    throw new SnoopiError(`eigenvalues: the matrix holds ${largest}. Pass features whose fourth powers are finite in f64.`);
  }
  // A power of two costs no rounding, and keeps squares of entries from overflow and underflow.
  const unit = largest === 0 ? 1 : 2 ** Math.max(-1000, Math.floor(Math.log2(largest)));
  const scaled = matrix.map((value) => value / unit);
  const { diagonal, side, basis } = tridiagonal(scaled, n, vectors);
  implicitQl(diagonal, side, basis);
  return { values: diagonal.map((value) => value * unit), vectors: basis };
}

/** `matrix = basisᵀ T basis` with T tridiagonal: `side[i]` couples i and i + 1. Overwrites the matrix. */
function tridiagonal(a: Float64Array, n: number, wanted: boolean) {
  const side = new Float64Array(n);
  const scales = new Float64Array(n);
  const product = new Float64Array(n);
  for (let k = 0; k < n - 2; k++) {
    // The reflection I − scale·v vᵀ that maps column k below the diagonal to a multiple of its first entry; v lies in row k.
    const row = k * n;
    const first = a[row + k + 1];
    let rest = 0;
    for (let j = k + 2; j < n; j++) rest = Math.hypot(rest, a[row + j]);
    if (rest < smallest) {
      side[k] = first;
      continue;
    }
    const norm = Math.hypot(first, rest);
    const target = first > 0 ? -norm : norm;
    const square = norm * (norm + Math.abs(first));
    side[k] = target;
    // vᵀv = 2·square, and both terms of v's first entry have one sign: nothing cancels.
    a[row + k + 1] = first - target;
    const scale = 1 / square;
    scales[k] = scale;
    // The trailing block becomes A − v wᵀ − w vᵀ with w = scale·A v − ½ scale² (vᵀ A v) v.
    let inner = 0;
    for (let i = k + 1; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += a[i * n + j] * a[row + j];
      product[i] = scale * sum;
      inner += product[i] * a[row + i];
    }
    for (let i = k + 1; i < n; i++) product[i] -= 0.5 * scale * inner * a[row + i];
    for (let i = k + 1; i < n; i++) {
      const [v, w] = [a[row + i], product[i]];
      for (let j = k + 1; j < n; j++) a[i * n + j] -= v * product[j] + w * a[row + j];
    }
  }
  if (n > 1) side[n - 2] = a[(n - 2) * n + n - 1];
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i]);
  return { diagonal, side, basis: wanted ? reflections(a, scales, n) : new Float64Array(0) };
}

/** The product of the reflections, transposed. From the last to the first, each meets only the block that is not yet the identity. */
function reflections(a: Float64Array, scales: Float64Array, n: number): Float64Array {
  const basis = new Float64Array(n * n);
  for (let i = 0; i < n; i++) basis[i * n + i] = 1;
  for (let k = n - 3; k >= 0; k--) {
    if (scales[k] === 0) continue;
    for (let i = k + 1; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += basis[i * n + j] * a[k * n + j];
      sum *= scales[k];
      for (let j = k + 1; j < n; j++) basis[i * n + j] -= sum * a[k * n + j];
    }
  }
  return basis;
}

/** Turns the diagonal into eigenvalues and the rows of `basis` into eigenvectors; `side` goes to zero. */
function implicitQl(d: Float64Array, e: Float64Array, basis: Float64Array): void {
  const n = d.length;
  // Below this a coupling is rounding error of the whole matrix. Compared with its diagonal entries instead, where these are rounding
  // errors too (a matrix of low rank has many), no coupling would ever be small, and the sweeps would go on for ever.
  let size = 0;
  for (let i = 0; i < n; i++) size = Math.max(size, Math.abs(d[i]) + Math.abs(e[i]));
  const least = Math.max(smallest, Number.EPSILON * size);
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      let m = l;
      while (m < n - 1 && Math.abs(e[m]) > least) m++;
      if (m === l) break;
      if (sweep === mostSweeps) {
        throw new SnoopiError(`eigenvalues: value ${l} of ${n} did not settle in ${mostSweeps} sweeps. Please report the matrix.`);
      }
      const half = (d[l + 1] - d[l]) / (2 * e[l]);
      const root = Math.hypot(half, 1);
      let g = d[m] - d[l] + e[l] / (half + (half < 0 ? -root : root));
      let [s, c, p] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i--) {
        const [f, b] = [s * e[i], c * e[i]];
        const r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          // A split in the middle of the sweep: take back the shift and look for blocks again.
          d[i + 1] -= p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        const t = (d[i] - g) * s + 2 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        if (basis.length > 0) rotate(basis, i * n, n, c, s);
      }
      if (i >= l) continue;
      d[l] -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
}

/** Mixes the row at `start` and the one after it. */
function rotate(basis: Float64Array, start: number, n: number, c: number, s: number): void {
  for (let at = start, end = start + n; at < end; at++) {
    const [x, y] = [basis[at], basis[at + n]];
    basis[at + n] = s * x + c * y;
    basis[at] = c * x - s * y;
  }
}
