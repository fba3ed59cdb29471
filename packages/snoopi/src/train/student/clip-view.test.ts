import { capture, fromData, grad, mul, sum, type Tensor, vjp } from "@snoopi/core";
import { checkGrads } from "@snoopi/core/testing";
import { describe, expect, test } from "vitest";
import { devices } from "../../../../../test/devices.ts";
import { goldenJson, goldenTensors } from "../../../../../test/models/goldens.ts";
import { type FormulaRule, formulaParameter } from "../../../../../test/oracles/formula.ts";
import { clipView, type PixelNorm, pixelNorm, plainPixels } from "./clip-view.ts";

const { rules, norm, cases } = goldenJson("clip-view") as {
  rules: FormulaRule[];
  norm: PixelNorm;
  cases: { name: string; height: number; width: number; size: number }[];
};
const golden = await goldenTensors("clip-view");

async function mostApart(found: Tensor, wanted: Tensor): Promise<number> {
  expect(found.shape).toEqual(wanted.shape);
  const [a, b] = [await found.data(), await wanted.data()];
  return Math.max(...b.map((v, i) => Math.abs(a[i] - v)));
}

// PyTorch's is in f64. In f32 a direction's sums have up to 10 products, and the sizes of its weights add to at most 1.7, along a row or a column; the
// numbers are up to 1.2, over twice a deviation of 0.26: 2 · 11 · 2⁻²⁴ · 1.7² · 1.2 · 1.92, and the last roundings of results below 4. Without
// antialiasing some results would be 0.24 away in any case.
const f32 = 2 * 11 * 2 ** -24 * 1.7 ** 2 * 1.2 * 1.92 + 3 * 4 * 2 ** -24;

describe.each(devices)("on $name", ({ device }) => {
  const formula = (name: string, shape: readonly number[]) =>
    fromData(formulaParameter(name, shape, rules), { shape, dtype: "f32", device });

  test.each(cases)("$name pixels become those of PyTorch's antialiased bicubic, and so does the gradient", async (one) => {
    const { name, height, width, size } = one;
    const image = formula(name, [1, 3, height, width]);
    const [output, pull] = vjp((x: Tensor) => clipView(x, { size, norm }), image);
    expect(await mostApart(output, golden(`${name}.output`))).toBeLessThan(f32);
    const gradient = pull(formula(`${name} upstream`, output.shape));
    expect(await mostApart(gradient, golden(`${name}.gradient`))).toBeLessThan(f32);
  });

  test("a captured step resizes each picture anew", async () => {
    const upstream = formula("upstream", [2, 3, 7, 7]);
    const slope = grad((x: Tensor) => sum(mul(clipView(x, { size: 7, norm }).pow(2), upstream)));
    using captured = capture((x: Tensor) => slope(x), { check: "always" });
    for (const name of ["one", "another", "a third"]) {
      const x = formula(name, [2, 3, 16, 16]);
      expect(await captured(x).data()).toEqual(await slope(x).data());
    }
  });
});

test("its gradient is the derivative of its value", async () => {
  for (const { name, height, width, size } of cases) {
    const x = fromData(formulaParameter(name, [2, 3, height, width], rules), { shape: [2, 3, height, width], dtype: "f32" });
    await checkGrads((y: Tensor) => clipView(y, { size, norm }), [x], { name });
  }
});

test("a picture of the tower's size and norm is left alone, and one colour stays one colour at any size", async () => {
  const x = fromData(formulaParameter("x", [1, 3, 4, 4], rules), { shape: [1, 3, 4, 4], dtype: "f32" });
  expect(clipView(x, { size: 4, norm: plainPixels })).toBe(x);
  const grey = fromData(new Float32Array(3 * 16 * 16).fill(0.5), { shape: [1, 3, 16, 16], dtype: "f32" });
  for (const size of [7, 8, 16, 21]) {
    const { mean, std } = norm;
    const seen = await clipView(grey, { size, norm }).data();
    // Weights of a sum of 1 are rounded one by one, up to 10 of them, in each direction.
    seen.forEach((v, i) => {
      const colour = Math.floor(i / size ** 2);
      expect(Math.abs(v - (0.75 - mean[colour]) / std[colour])).toBeLessThan(f32);
    });
  }
});

test("a preprocessor's norm is three numbers each, the deviations above 0, and anything else is refused", () => {
  const { mean, std } = norm;
  expect(pixelNorm({ image_mean: mean, image_std: std, size: 224 }, "p.json")).toEqual(norm);
  const refused = (json: Record<string, unknown>) => () => pixelNorm({ image_mean: mean, image_std: std, ...json }, "p.json");
  expect(refused({ image_mean: undefined })).toThrow("p.json: image_mean is missing. Give three numbers.");
  expect(refused({ image_mean: 0.5 })).toThrow("p.json: image_mean is 0.5. Give three numbers.");
  expect(refused({ image_mean: [0, 0, "0"] })).toThrow('p.json: image_mean is [0,0,"0"]. Give three numbers.');
  expect(refused({ image_std: [1, 1] })).toThrow("p.json: image_std is [1,1]. Give three numbers above 0.");
  expect(refused({ image_std: [1, 0, 1] })).toThrow("p.json: image_std is [1,0,1]. Give three numbers above 0.");
});
