import { apply, createCpu, type Device, fromData, mul, noGrad, type Op, ops, sum, type Tensor } from "@snoopi/core";
import { arbBroadcast, arbShape, arbTensor, bound, checkGrads, checkKernel, scattered } from "@snoopi/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const cpu = createCpu();

describe("checkGrads", () => {
  const cubeWith = (slope: number): Op => ({
    name: "cube",
    infer: ([x]) => x,
    reference: ([x], _, out) => out.data.set(x.data.map((v: number) => v ** 3)),
    vjp: (g, { inputs: [x] }) => [mul(g, mul(slope, mul(x, x)))],
  });
  const cube = (slope: number) => (x: Tensor) => apply(cubeWith(slope), [x], undefined);

  test("accepts a right gradient, of first and second order, whatever the type of the inputs", async () => {
    await checkGrads(
      cube(3),
      arbTensor(arbShape()).map((x) => [x]),
      { order: 2, numRuns: 30 },
    );
    await checkGrads(cube(3), [fromData(Float32Array.of(1, 2), { shape: [2], dtype: "f32" })]);
  });

  test("names the function, the shapes and both derivatives when a gradient is wrong in the fifth digit", async () => {
    const x = fromData(Float64Array.of(1.5), { shape: [1], dtype: "f64" });
    await checkGrads(cube(3), [x]);
    await expect(checkGrads(cube(3.0001), [x], { name: "cube" })).rejects.toThrow(
      /^checkGrads: cube\(f64 \[1\]\) has the derivative \S+ by differences and \S+ by vjp\. Wrong: input 0 \(analytic \S+, numeric \S+\)\.$/,
    );
  });

  test("finds a second derivative that is wrong although the first is right", async () => {
    // The gradient's value is right, but nothing can be pulled back through it.
    const op: Op = {
      ...cubeWith(3),
      vjp: (g, { inputs: [x] }) => [
        mul(
          g,
          noGrad(() => mul(3, mul(x, x))),
        ),
      ],
    };
    const x = fromData(Float64Array.of(1), { shape: [1], dtype: "f64" });
    await checkGrads((t) => apply(op, [t], undefined), [x], { order: 1 });
    await expect(checkGrads((t) => apply(op, [t], undefined), [x], { order: 2, name: "cube" })).rejects.toThrow(
      "checkGrads: the gradient of cube(f64 [1], f64 [1])",
    );
  });

  test("shrinks to the smallest inputs that fail", async () => {
    const onlyMatrices = (x: Tensor) => (x.rank >= 2 ? cube(2)(x) : cube(3)(x));
    const failure = await checkGrads(
      onlyMatrices,
      arbTensor(arbShape()).map((x) => [x]),
      { name: "onlyMatrices" },
    ).catch((error: Error) => error);
    expect(String(failure)).toContain("[f64 [1, 1] (seed ");
  });

  test("names only the inputs whose gradients are wrong", async () => {
    const f = (a: Tensor, b: Tensor) => mul(cube(3)(a), cube(2)(b));
    const inputs = fc.sample(fc.tuple(arbTensor([2]), arbTensor([2])), { seed: 1, numRuns: 1 })[0];
    const failure = await checkGrads(f, inputs).catch((error: Error) => error);
    expect(String(failure)).toContain("Wrong: input 1 (");
    expect(String(failure)).not.toContain("input 0");
  });
});

describe("checkKernel", () => {
  /** A device whose kernels are off by a factor. */
  const skewed = (factor: number): Device => {
    const device = createCpu();
    return {
      ...device,
      name: "skewed",
      run(op, attrs, inputs, out, extras) {
        device.run(op, attrs, inputs, out, extras);
        const data = out.storage.buffer as Float32Array;
        for (let i = 0; i < data.length; i++) data[i] *= factor;
      },
    };
  };
  const of = (shape: number[]) => (device: Device) =>
    fromData(
      Float32Array.from(
        scattered(
          shape.reduce((a, b) => a * b, 1),
          3,
        ),
      ),
      { shape, dtype: "f32", device },
    );
  const call = { inputs: [of([3, 17]), of([17, 5])], attrs: undefined };

  test("accepts rounding and nothing more", async () => {
    await checkKernel(cpu, ops.matmul, call);
    await checkKernel(skewed(1 + 2 ** -23), ops.matmul, call);
    await expect(checkKernel(skewed(1 + 2 ** -12), ops.matmul, call)).rejects.toThrow(
      /^checkKernel: element \[\d, \d\] of matmul\(f32 \[3, 17\], f32 \[17, 5\]\) with no attributes is \S+ on skewed and \S+ by the reference, more than \S+ apart\.$/,
    );
  });

  test("compares further results as well", async () => {
    const both: Op = {
      name: "both",
      infer: ([x]) => x,
      extras: ([x]) => [{ shape: [x.shape[0]], dtype: "f32" }],
      reference([x], _, out, [sums]) {
        const columns = x.shape[1];
        x.data.forEach((v: number, i: number) => {
          out.data[i] = 2 * v;
          sums.data[Math.floor(i / columns)] += v;
        });
      },
    };
    const device = createCpu();
    const off = (factor: number): Device => ({
      ...device,
      run(op, attrs, inputs, out, extras) {
        device.run(op, attrs, inputs, out, extras);
        for (const { storage } of extras) (storage.buffer as Float32Array)[1] *= factor;
      },
    });
    await checkKernel(off(1 + 2 ** -23), both, { inputs: [of([3, 17])], attrs: undefined });
    await expect(checkKernel(off(2), both, { inputs: [of([3, 17])], attrs: undefined })).rejects.toThrow(
      /^checkKernel: element \[1\] of result 1 of both\(f32 \[3, 17\]\) with no attributes is \S+ on cpu and \S+ by the reference, more than \S+ apart\.$/,
    );
  });

  test("finds NaN", async () => {
    await expect(checkKernel(skewed(Number.NaN), ops.matmul, call)).rejects.toThrow("is NaN on skewed");
  });
});

describe("arbitraries", () => {
  test("shapes that broadcast together do", () => {
    fc.assert(
      fc.property(arbBroadcast(3), (shapes) => {
        shapes
          .map((shape) => fromData(new Float32Array(shape.reduce((n, d) => n * d, 1)), { shape, dtype: "f32" }))
          .reduce((a, b) => a.add(b));
      }),
    );
  });

  test("scattered numbers are distinct, inside the range, and the same for the same seed", () => {
    const values = scattered(500, 9, -1, 1);
    expect(new Set(values).size).toBe(500);
    expect(Math.min(...values)).toBeGreaterThan(-1);
    expect(Math.max(...values)).toBeLessThan(1);
    expect(scattered(500, 9, -1, 1)).toEqual(values);
    expect(scattered(500, 10, -1, 1)).not.toEqual(values);
  });

  test("bounds grow with length and size, and are nothing for integers", () => {
    expect(bound("i32", 100, 1e6)).toBe(0);
    expect(bound("f32", 98, 1)).toBeCloseTo(100 * 2 ** -24, 10);
    expect(bound("f16", 0, 1)).toBeGreaterThan(2 ** -11);
  });

  test("sum is exact within its bound", async () => {
    const x = fromData(Float32Array.from(scattered(300, 1)), { shape: [300], dtype: "f32" });
    expect(Math.abs((await sum(x).item()) - scattered(300, 1).reduce((a, b) => a + b, 0))).toBeLessThan(bound("f32", 300, 300));
  });
});
