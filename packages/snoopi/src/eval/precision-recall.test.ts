import fc from "fast-check";
import { expect, test } from "vitest";
import type { Features } from "./features.ts";
import { precisionRecall } from "./precision-recall.ts";

const features = fc
  .array(fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 3, maxLength: 3 }), { minLength: 5, maxLength: 15 })
  .map((rows): Features => ({ data: Float64Array.from(rows.flat()), shape: [rows.length, 3] }));

test("identical sets have precision and recall 1", () => {
  fc.assert(
    fc.property(features, (x) => {
      expect(precisionRecall(x, x)).toEqual({ precision: 1, recall: 1 });
    }),
  );
});

test("swapping the sets swaps precision and recall", () => {
  fc.assert(
    fc.property(features, features, (x, y) => {
      const { precision, recall } = precisionRecall(x, y);
      expect(precisionRecall(y, x)).toEqual({ precision: recall, recall: precision });
    }),
  );
});

test("more neighbours never make either smaller", () => {
  fc.assert(
    fc.property(features, features, (x, y) => {
      const [few, many] = [precisionRecall(x, y, { k: 1 }), precisionRecall(x, y, { k: 4 })];
      expect(many.precision).toBeGreaterThanOrEqual(few.precision);
      expect(many.recall).toBeGreaterThanOrEqual(few.recall);
    }),
  );
});

test("a generator that repeats one good picture is precise and recalls nothing else", () => {
  const real = { data: Float32Array.of(0, 1, 2, 3, 4), shape: [5, 1] } as const;
  const generated = { data: new Float32Array(4).fill(2), shape: [4, 1] } as const;
  // All its balls have radius zero, so that only the real sample at 2 lies within one.
  expect(precisionRecall(real, generated)).toEqual({ precision: 1, recall: 0.2 });
});

test("too few samples, other widths and a wrong k are refused in one line", () => {
  const set = (rows: number, width: number) => ({ data: new Float32Array(rows * width), shape: [rows, width] }) as const;
  expect(() => precisionRecall(set(3, 2), set(4, 2))).toThrow("precision and recall: 3 samples are too few. Pass at least 4.");
  expect(() => precisionRecall(set(4, 2), set(4, 3))).toThrow("precision and recall: one side has 2 features a sample, the other 3.");
  expect(() => precisionRecall(set(4, 2), set(4, 2), { k: 0 })).toThrow(
    "precision and recall: k is 0. It has to be a whole number of at least 1.",
  );
});
