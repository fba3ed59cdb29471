import fc from "fast-check";
import { expect, test } from "vitest";
import { arrived, type Cotangent, total } from "./cotangent.ts";
import { cpu } from "./cpu.ts";
import { add, chunk, concat, exp, mul, normal, pad, slice, square, sum, type Tensor, tensor, vjp } from "./index.ts";
import { checkGrads } from "./testing/index.ts";

const numbers = async (t: Tensor) => [...(await t.data())];

test("what arrives is added up in order, bit for bit, however much of it is slices", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.constant("whole" as const),
          fc.record({ axis: fc.nat({ max: 1 }), start: fc.nat({ max: 5 }), length: fc.nat({ max: 4 }) }),
          // Zeros around it on both axes, or ones around it: nothing to join.
          fc.constant("inside" as const),
          fc.constant("ones" as const),
        ),
        { minLength: 1, maxLength: 8 },
      ),
      async (kinds) => {
        const size = [6, 7];
        const contributions = kinds.map((kind, i) => {
          const draw = (shape: readonly number[]) => normal(shape, { key: i, device: cpu });
          if (kind === "whole") return draw(size);
          if (kind === "inside")
            return pad(draw([4, 5]), [
              [1, 1],
              [2, 0],
            ]);
          if (kind === "ones")
            return pad(
              draw([5, 7]),
              [
                [1, 0],
                [0, 0],
              ],
              { value: 1 },
            );
          const { axis, start } = kind;
          const length = Math.min(kind.length, size[axis] - start);
          const margins = size.map((d, a): [number, number] => (a === axis ? [start, d - start - length] : [0, 0]));
          return pad(draw(size.map((d, a) => (a === axis ? length : d))), margins);
        });
        const found = contributions.reduce<Cotangent | undefined>((before, g) => arrived(before, g), undefined) as Cotangent;
        // Adding zero to zero gives the zero of either sign.
        const plain = (x: number) => x + 0;
        const want = (await numbers(contributions.reduce((a, b) => add(a, b)))).map(plain);
        expect((await numbers(total(found))).map(plain)).toEqual(want);
      },
    ),
    { numRuns: 200 },
  ));

const each = (x: Tensor, ranges: readonly (readonly [number, number])[]) =>
  concat(
    ranges.map(([from, to], i) => {
      const part = slice(x, [null, [from, to]]);
      return mul(part, add(sum(square(part)), i));
    }),
    { axis: 1 },
  );

test.each<[string, readonly (readonly [number, number])[]]>([
  [
    "that tile it",
    [
      [0, 2],
      [2, 3],
      [3, 7],
    ],
  ],
  [
    "in any order",
    [
      [3, 7],
      [0, 2],
      [2, 3],
    ],
  ],
  [
    "with gaps",
    [
      [5, 6],
      [1, 3],
    ],
  ],
  [
    "one of which is empty",
    [
      [0, 2],
      [2, 2],
      [2, 7],
    ],
  ],
  [
    "that overlap",
    [
      [0, 4],
      [3, 7],
      [1, 2],
      [6, 7],
    ],
  ],
])("slices of a tensor %s have its gradient, and a gradient of that", async (_, ranges) => {
  await checkGrads(
    (x) => each(x, ranges),
    [tensor(Array.from({ length: 3 }, (_, i) => Array.from({ length: 7 }, (_, j) => Math.sin(3 * i + j))))],
    { order: 2 },
  );
});

test("the gradient of chunks is one call that joins theirs", () => {
  const x = normal([2, 6], { key: 1, device: cpu });
  const [y, pull] = vjp(
    (x: Tensor) =>
      concat(
        chunk(x, 3, { axis: 1 }).map((part) => exp(part)),
        { axis: 0 },
      ),
    x,
  );
  const { origin } = pull(y).node;
  expect(origin?.op.name).toBe("concat");
  expect(origin?.inputs.map((n) => n.origin?.op.name)).toEqual(["mul", "mul", "mul"]);
});
