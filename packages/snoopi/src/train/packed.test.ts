import { add, capture, fromData, keep, mul, tensor } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { packed } from "./packed.ts";

const shapes = fc.array(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }), { minLength: 1, maxLength: 6 });

test("parameters keep their values, and follow when the whole is assigned, whatever their shapes", async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async (all) => {
      let next = 0;
      const values = all.map((shape) => Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next++));
      const parameters = Object.fromEntries(all.map((shape, i) => [`p${i}`, keep(fromData(values[i], { shape, dtype: "f32" }))] as const));
      using pack = packed(parameters);
      expect(pack.all.shape).toEqual([64 * all.length]);
      pack.all.assign(add(mul(pack.all, 2), 1));
      pack.settle();
      const found = await pack.read(pack.all);
      for (const [i, shape] of all.entries()) {
        expect([...(await parameters[`p${i}`].data())]).toEqual([...values[i]].map((v) => 2 * v + 1));
        expect(found.get(`p${i}`)).toEqual({ shape, data: values[i].map((v) => 2 * v + 1) });
      }
    }),
    { numRuns: 30 },
  );
});

test("parameters that were assigned are taken over, and a captured function moves them in place", async () => {
  const parameters = { a: keep(tensor([1, 2])), b: keep(tensor([[3]])) };
  using pack = packed(parameters);
  using double = capture((by: ReturnType<typeof tensor>) => {
    pack.all.assign(mul(pack.all, by));
    pack.settle();
    return pack.all.mul(1);
  });
  parameters.b.assign(tensor([[10]]));
  pack.adopt();
  double(tensor(3));
  double(tensor(2));
  expect([...(await parameters.a.data()), ...(await parameters.b.data())]).toEqual([6, 12, 60]);
});
