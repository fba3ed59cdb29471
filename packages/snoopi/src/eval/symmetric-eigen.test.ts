import fc from "fast-check";
import { expect, test } from "vitest";
import { symmetricEigen } from "./symmetric-eigen.ts";

const entry = fc.oneof(fc.double({ min: -10, max: 10, noNaN: true }), fc.constantFrom(0, 1, 1e-9));
const symmetric = fc.integer({ min: 1, max: 12 }).chain((n) =>
  fc.array(entry, { minLength: n * n, maxLength: n * n }).map((entries) => {
    const matrix = Float64Array.from(entries);
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) matrix[i * n + j] = matrix[j * n + i];
    return { n, matrix };
  }),
);

/** `leftᵀ diag(values) right` for rows of vectors. */
const product = (n: number, vectors: Float64Array, values: ArrayLike<number>) =>
  Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let k = 0; k < n; k++) sum += vectors[k * n + i] * values[k] * vectors[k * n + j];
    return sum;
  });

test("the vectors are orthonormal and give the matrix back", () => {
  fc.assert(
    fc.property(symmetric, ({ n, matrix }) => {
      const { values, vectors } = symmetricEigen(matrix);
      const size = Math.hypot(...matrix);
      const [again, identity] = [product(n, vectors, values), product(n, vectors, new Float64Array(n).fill(1))];
      // Each of about 3n² orthogonal steps rounds at 2⁻⁵³ of what it touches, most of them elsewhere: 64 n units in the last place.
      const bound = 64 * n * Number.EPSILON;
      for (let at = 0; at < n * n; at++) {
        expect(Math.abs(again[at] - matrix[at])).toBeLessThanOrEqual(bound * size);
        expect(Math.abs(identity[at] - (at % (n + 1) === 0 ? 1 : 0))).toBeLessThanOrEqual(bound);
      }
    }),
  );
});

test("a matrix of low rank, most of whose tridiagonal form is rounding, is taken apart all the same", () => {
  const few = fc.tuple(fc.integer({ min: 20, max: 72 }), fc.integer({ min: 1, max: 12 }), fc.integer());
  fc.assert(
    fc.property(few, ([n, rank, seed]) => {
      let state = seed >>> 0;
      const next = () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.fround(state / 2 ** 32 - 0.5);
      };
      const rows = Float64Array.from({ length: rank * n }, next);
      const matrix = new Float64Array(n * n);
      for (let r = 0; r < rank; r++)
        for (let at = 0; at < n * n; at++) matrix[at] += rows[r * n + Math.floor(at / n)] * rows[r * n + (at % n)];
      const values = [...symmetricEigen(matrix, { vectors: false }).values].sort((a, b) => b - a);
      const bound = 64 * n * Number.EPSILON * Math.hypot(...matrix);
      for (const value of values.slice(rank)) expect(Math.abs(value)).toBeLessThanOrEqual(bound);
      let trace = 0;
      for (let i = 0; i < n; i++) trace += matrix[i * n + i];
      expect(Math.abs(values.reduce((sum, value) => sum + value, 0) - trace)).toBeLessThanOrEqual(n * bound);
    }),
    // Three that never finish if each coupling is only compared with its neighbours.
    {
      numRuns: 50,
      examples: [[[66, 2, 137]], [[69, 3, 154]], [[70, 12, 5707]]],
    },
  );
});

test("values alone are the same values", () => {
  fc.assert(
    fc.property(symmetric, ({ matrix }) => {
      const alone = symmetricEigen(matrix, { vectors: false });
      expect(alone.values).toEqual(symmetricEigen(matrix).values);
      expect(alone.vectors.length).toBe(0);
    }),
  );
});

test("the second difference matrix has the eigenvalues 2 − 2 cos(kπ / (n + 1))", () => {
  const n = 40;
  const matrix = Float64Array.from({ length: n * n }, (_, at) => [2, -1][Math.abs(Math.floor(at / n) - (at % n))] ?? 0);
  const values = symmetricEigen(matrix).values.sort();
  // A small multiple of 2⁻⁵² of the largest value, 4.
  for (const [i, value] of values.entries()) expect(value).toBeCloseTo(2 - 2 * Math.cos(((i + 1) * Math.PI) / (n + 1)), 13);
});

test.each([2 ** -1060, 2 ** -300, 2 ** 1000])("the matrix times %d has its eigenvalues times that", (factor) => {
  const matrix = Float64Array.of(4, 1, -2, 1, 2, 0, -2, 0, 3);
  const [values, scaled] = [matrix, matrix.map((value) => value * factor)].map((one) => symmetricEigen(one).values);
  expect(scaled).toEqual(values.map((value) => value * factor));
});

test("an empty matrix has no eigenvalues, and values that are not finite are refused", () => {
  expect(symmetricEigen(new Float64Array(0)).values.length).toBe(0);
  expect(() => symmetricEigen(new Float64Array(9).fill(Number.NaN))).toThrow(
    "eigenvalues: the matrix holds NaN. Pass features whose fourth powers are finite in f64.",
  );
});

test("entries that a column's length does not show are not lost", () => {
  // The length of (1, 1e-9) rounds to 1, so that what is 1e-9 must not be judged by it.
  const { values, vectors } = symmetricEigen(Float64Array.of(0, 1, 1e-9, 1, 0, 0, 1e-9, 0, 1e-9));
  // A few 2⁻⁵² of the largest entry, 1.
  expect(Math.abs(product(3, vectors, values)[2] - 1e-9)).toBeLessThan(1e-15);
});
