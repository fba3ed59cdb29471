import fc from "fast-check";
import { expect, test } from "vitest";
import type { Features } from "./features.ts";
import { frechetDistance } from "./frechet.ts";
import { covariance, emptyMoments, mergeMoments, momentsOf } from "./moments.ts";

const features = (width: number, { fewest = 2, most = 12 } = {}) =>
  fc
    .array(fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: width, maxLength: width }), {
      minLength: fewest,
      maxLength: most,
    })
    .map((rows): Features => ({ data: Float64Array.from(rows.flat()), shape: [rows.length, width] }));
const pair = fc.integer({ min: 1, max: 6 }).chain((width) => fc.tuple(features(width), features(width)));
const distance = (x: Features, y: Features) => frechetDistance(momentsOf(x), momentsOf(y));

// Values lie in [−4, 4], so that a variance is at most 32 and ‖Σ‖ at most 6·32 = 192. An eigenvalue of the product is off by a small multiple
// of 2⁻⁵²·192², 4e-11 at most, so its root by up to 6e-6 where it should be zero; there are 6, each counts twice, on both sides.
const rounding = 2e-4;

test("a set is at distance zero from itself, and no distance is negative", () => {
  fc.assert(
    fc.property(pair, ([x, y]) => {
      expect(distance(x, x)).toBeLessThan(rounding);
      expect(distance(x, y)).toBeGreaterThanOrEqual(0);
    }),
  );
});

test("the distance is symmetric", () => {
  fc.assert(
    fc.property(pair, ([x, y]) => {
      expect(Math.abs(distance(x, y) - distance(y, x))).toBeLessThan(rounding);
    }),
  );
});

test("turning and moving both sets together leaves the distance", () => {
  fc.assert(
    fc.property(pair, fc.double({ min: 0, max: 6.3, noNaN: true }), ([x, y], angle) => {
      expect(Math.abs(distance(turned(x, angle), turned(y, angle)) - distance(x, y))).toBeLessThan(rounding);
    }),
  );
});

/** A rotation of each two neighbouring axes in turn, and a shift by 1. */
function turned({ data, shape: [rows, width] }: Features, angle: number): Features {
  const out = Float64Array.from(data, (value) => value);
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  for (let i = 0; i < rows; i++) {
    for (let at = i * width; at < (i + 1) * width - 1; at++)
      [out[at], out[at + 1]] = [c * out[at] - s * out[at + 1], s * out[at] + c * out[at + 1]];
  }
  return { data: out.map((value) => value + 1), shape: [rows, width] };
}

test("sets that differ by a shift alone are at its squared length", () => {
  fc.assert(
    fc.property(features(3), ({ data, shape }) => {
      const moved = { data: data.map((value, at) => value + [3, 0, -4][at % 3]), shape };
      expect(Math.abs(distance({ data, shape }, moved) - 25)).toBeLessThan(rounding);
    }),
  );
});

test("a set with fewer samples than features is at distance zero from itself", () => {
  const width = 64;
  const data = Float64Array.from({ length: 9 * width }, (_, at) => Math.sin(at * at));
  // Within the eight directions that nine samples span all eigenvalues are far from zero: only their own rounding is left.
  expect(distance({ data, shape: [9, width] }, { data, shape: [9, width] })).toBeLessThan(1e-11 * width);
});

test("moments merged from parts, in any order, are those of the whole", () => {
  fc.assert(
    fc.property(features(3, { fewest: 3, most: 20 }), fc.nat(), (whole, cut) => {
      const [rows] = whole.shape;
      const first = cut % (rows + 1);
      const part = (from: number, to: number) => momentsOf({ data: whole.data.slice(3 * from, 3 * to), shape: [to - from, 3] });
      const [a, b] = [first === 0 ? emptyMoments(3) : part(0, first), first === rows ? emptyMoments(3) : part(first, rows)];
      const wanted = momentsOf(whole);
      for (const merged of [mergeMoments(a, b), mergeMoments(b, a)]) {
        expect(merged.count).toBe(rows);
        // At most 20 samples within 4: sums of up to 20·4² = 320 and ten roundings each.
        merged.mean.forEach((value, j) => {
          expect(Math.abs(value - wanted.mean[j])).toBeLessThan(1e-14);
        });
        merged.scatter.forEach((value, j) => {
          expect(Math.abs(value - wanted.scatter[j])).toBeLessThan(1e-12);
        });
      }
    }),
  );
});

test("what cannot be compared is refused in one line", () => {
  const [one, two] = [momentsOf({ data: new Float32Array(2), shape: [1, 2] }), momentsOf({ data: new Float32Array(6), shape: [2, 3] })];
  expect(() => frechetDistance(one, one)).toThrow("Fréchet distance: 1 samples have no covariance. Pass at least 2 on each side.");
  expect(() => frechetDistance(one, two)).toThrow(
    "Fréchet distance: one side has 2 features a sample, the other 3. Take both from the same network.",
  );
  expect(() => mergeMoments(one, two)).toThrow("merge moments: one side has 2 features");
  expect(() => covariance(one)).toThrow("covariance: 1 samples have none. Pass at least 2.");
  expect(() => momentsOf({ data: new Float32Array(5), shape: [2, 3] })).toThrow("moments: 5 values do not fill [2, 3].");
  expect(() => momentsOf({ data: new Float32Array(0), shape: [0, 3] })).toThrow("moments: 0 samples are too few. Pass at least 1.");
  expect(() => momentsOf({ data: Float32Array.of(0, 1, 2, 3, Number.NaN, 5), shape: [2, 3] })).toThrow(
    "moments: feature 1 of sample 1 is NaN. Leave out what has no features.",
  );
});
