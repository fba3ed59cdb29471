import {
  broadcastTo,
  cast,
  concat,
  cpu,
  type Device,
  type DType,
  dense,
  normal,
  permute,
  type Shape,
  sizeOf,
  slice,
  type Tensor,
} from "@snoopi/core";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createBackend } from "./backend.ts";
import { concat as lowering } from "./concat.ts";
import type { Facts } from "./facts.ts";
import { webgpu } from "./node.ts";

const real = await webgpu();
afterAll(() => real.destroy());
const posing = (facts: Partial<Facts>): Device => createBackend(real.gpu, { ...real.facts, ...facts }, real.description);

type Lie = "whole" | "turned" | "cut along the axis" | "cut elsewhere" | "stretched";

interface Part {
  readonly length: number;
  readonly lies: Lie;
}

/** A tensor of this shape, laid out in its storage as `lies` says. */
function part(device: Device, shape: Shape, axis: number, { lies }: Part, { dtype, key }: { dtype: DType; key: number }): Tensor {
  const draw = (s: Shape) => cast(normal(s, { key, device }).mul(100), dtype);
  const order = shape.map((_, i) => i).reverse();
  if (lies === "turned") return permute(draw(shape.toReversed()), order);
  if (lies === "stretched") return broadcastTo(draw(shape.map((d, i) => (i === 0 ? 1 : d))), shape);
  if (lies === "whole") return draw(shape);
  const at = lies === "cut along the axis" ? axis : shape.length - 1;
  const margin = [4, 3][key % 2];
  return slice(
    draw(shape.map((d, i) => (i === at ? d + 2 * margin : d))),
    shape.map((d, i) => (i === at ? [margin, margin + d] : null)),
  );
}

interface Case {
  readonly shape: readonly number[];
  readonly axis: number;
  readonly parts: readonly Part[];
  readonly dtypes: readonly DType[];
  readonly key: number;
}

async function agrees(device: Device, { shape, axis, parts, dtypes, key }: Case) {
  const at = axis % shape.length;
  const call = (on: Device) =>
    concat(
      parts.map((p, i) =>
        part(
          on,
          shape.map((d, a) => (a === at ? p.length : d)),
          at,
          p,
          { dtype: dtypes[i % dtypes.length], key: key + i },
        ),
      ),
      { axis: at },
    );
  const [want, got] = await Promise.all([call(cpu).data(), call(device).data()]);
  expect(got).toEqual(want);
}

const cases = fc.record({
  shape: fc.array(fc.constantFrom(1, 2, 3, 4, 8, 65), { minLength: 1, maxLength: 4 }).filter((s) => sizeOf(s) < 5000),
  axis: fc.nat({ max: 3 }),
  parts: fc.array(
    fc.record({
      length: fc.constantFrom(0, 1, 3, 4, 8, 12),
      lies: fc.constantFrom<Lie>("whole", "whole", "turned", "cut along the axis", "cut elsewhere", "stretched"),
    }),
    { minLength: 2, maxLength: 5 },
  ),
  dtypes: fc.constantFrom<DType[]>(["f32"], ["bool"], ["f32", "f16"]),
  key: fc.nat({ max: 1000 }),
});

describe.each([
  ["as many as this device reads at once", posing({})],
  ["three at once", posing({ maxInputs: 3 })],
  ["bindings of 16 KiB", posing({ maxBindingBytes: 16 * 1024 })],
] as const)("joining with %s", (_, device) => {
  test("gives what the reference gives, whatever is joined along whichever axis", () =>
    fc.assert(
      fc.asyncProperty(cases, (c) => agrees(device, c)),
      { numRuns: 40, seed: 4, interruptAfterTimeLimit: 60_000 },
    ));

  test("keeps apart what begins at odd places among what begins at fours", () =>
    agrees(device, {
      shape: [1],
      axis: 0,
      parts: [8, 3, 1, 4, 2, 2, 64, 4, 7, 300].map((length) => ({ length, lies: "whole" })),
      dtypes: ["f32"],
      key: 1,
    }));

  test("reads parts of a tensor that may be larger than a binding", async () => {
    const call = (on: Device) => {
      const x = normal([4, 3000], { key: 1, device: on });
      return concat([
        slice(x, [
          [2, 4],
          [0, 1000],
        ]),
        slice(x, [
          [3, 4],
          [520, 1520],
        ]),
        slice(x, [
          [1, 2],
          [7, 1007],
        ]),
      ]);
    };
    const [want, got] = await Promise.all([call(cpu).data(), call(device).data()]);
    expect(got).toEqual(want);
  });

  test("reads one tensor several times", async () => {
    const [x, y] = [cpu, device].map((on) => normal([3, 8], { key: 1, device: on }));
    expect(await concat([y, y, y], { axis: 1 }).data()).toEqual(await concat([x, x, x], { axis: 1 }).data());
  });
});

test("a hundred tensors are joined in fifteen launches", () => {
  const facts = { ...real.facts, maxInputs: 7 };
  const operand = (shape: Shape) => ({ storage: real.allocate("f32", sizeOf(shape)), layout: dense(shape), dtype: "f32" as const });
  const lengths = Array.from({ length: 100 }, (_, i) => 4 * i + 4);
  const inputs = lengths.map((n) => operand([n]));
  const out = operand([lengths.reduce((a, b) => a + b)]);
  const launches = lowering.launch({ attrs: { axis: 0 }, inputs, out, extras: [], facts, temporary: ({ shape }) => operand(shape) });
  expect(launches).toHaveLength(15);
  expect(launches.flatMap((l) => l.inputs)).toHaveLength(100);
  for (const { storage } of [...inputs, out]) storage.release();
});
