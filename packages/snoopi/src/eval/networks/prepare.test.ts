import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cpu, type Device, fromData, grad, sum, type Tensor, tensor, transpose } from "@snoopi/core";
import { resizeBicubic } from "@snoopi/models";
import { describe, expect, test } from "vitest";
import { devices } from "../../../../../test/devices.ts";
import { formulaPicture } from "../../../../../test/oracles/formula.ts";
import { safetensors } from "../../../../../test/oracles/safetensors.ts";
import { forClip, forInception } from "./prepare.ts";

const golden = join(import.meta.dirname, "../../../../../test/golden/judges/pictures");
const { cases }: { cases: { name: string; height: number; width: number }[] } = JSON.parse(readFileSync(`${golden}.json`, "utf8"));
const wanted = safetensors(readFileSync(`${golden}.safetensors`));

/** The largest difference of what a picture becomes from what it should, and how many values differ by more than `within`. */
function apart(found: ArrayLike<number>, name: string, within: number) {
  const { data } = wanted[name];
  expect(found.length).toBe(data.length);
  const differences = Array.from(data as Float32Array, (value, i) => Math.abs(value - found[i]));
  return { most: Math.max(...differences), beyond: differences.filter((d) => d > within).length / data.length };
}

const pictures = ({ name, height, width }: (typeof cases)[number], device: Device) =>
  tensor(formulaPicture(name, height, width), { shape: [1, 3, height, width], device })
    .div(127.5)
    .sub(1);

describe.each(devices)("on $name", ({ device }) => {
  test.each(cases)("$name pixels become those that open_clip's transform makes with Pillow", async (one) => {
    const found = await forClip(pictures(one, device), { size: 32, fit: "crop" }).data();
    // One step of a byte, divided by the smallest deviation. Pillow's weights have 22 bits, so sums of 255 · w are off by up to 1e-3 and in
    // each of two passes one value in a thousand may round the other way.
    const step = 1 / 255 / 0.261;
    const { most, beyond } = apart(found, `${one.name}.clip`, step / 100);
    expect(most).toBeLessThan(1.01 * step);
    expect(beyond).toBeLessThan(5e-3);
  });

  test.each(cases)("$name pixels become those that HPSv2's transform makes", async (one) => {
    const found = await forClip(pictures(one, device), { size: 32, fit: "pad" }).data();
    // Sums of up to 12 products of numbers up to 1 in f32, twice, over a deviation of 0.26: 12 · 2⁻²³ · 2 / 0.26 at most.
    expect(apart(found, `${one.name}.hps`, 0).most).toBeLessThan(1.2e-5);
  });

  test.each(cases)("$name pixels become those of clean-fid", async (one) => {
    const resized = forInception(pictures(one, device), { as: "clean-fid", side: 31 });
    const found = await resized.mul(128).add(128).data();
    // As above, of numbers up to 255, and scaled back and forth: 255 · 28 · 2⁻²⁴ at most.
    expect(apart(found, `${one.name}.clean`, 0).most).toBeLessThan(5e-4);
  });

  test("a picture of the right size is only rounded to bytes", async () => {
    const x = fromData(Float32Array.of(-1.2, -1, 0, 0.501, 1, 1.5), { shape: [1, 1, 2, 3], dtype: "f32", device });
    expect(await resizeBicubic(x, [2, 3]).data()).toEqual(await x.data());
    const three = tensor(new Float32Array(3 * 4).fill(0.5), { shape: [1, 3, 2, 2], device });
    // 0.5 is byte 191.
    const [red] = await forClip(three, { size: 2, fit: "crop" }).data();
    expect(red).toBeCloseTo((191 / 255 - 0.48145466) / 0.26862954, 5);
  });
});

test("rows and columns are resized alike, a square's to what is none too", async () => {
  const x = tensor(formulaPicture("square", 6, 6), { shape: [1, 3, 6, 6] });
  const [wide, high] = [resizeBicubic(x, [2, 4]), transpose(resizeBicubic(transpose(x), [4, 2]))];
  expect([wide.shape, high.shape]).toEqual([
    [1, 3, 2, 4],
    [1, 3, 2, 4],
  ]);
  const [a, b] = [await wide.data(), await high.data()];
  // Sums of numbers up to 255, rounded to f32 after each direction, which can take 1.3 of them, in either order.
  a.forEach((v, i) => {
    expect(Math.abs(v - b[i])).toBeLessThan(4 * 2 ** -24 * 255 * 1.3 ** 2);
  });
});

test("without rounding a picture is within bytes' rounding of itself with it, and gradients reach every pixel", async () => {
  // Of little contrast, so that no overshoot is cut off at the ends of the range.
  const x = pictures(cases[2], cpu).mul(0.5).add(0.001);
  const fit = { size: 32, fit: "crop" } as const;
  const [rounded, smooth] = [await forClip(x, fit).data(), await forClip(x, { ...fit, bytes: false }).data()];
  // Half a byte at the start and after each direction, which the next stretches by the sum of its weights' sizes, at most 1.3.
  const bound = (0.5 * (1 + 1.3 + 1.3 ** 2)) / 255 / 0.261;
  const most = Math.max(...Array.from(smooth, (value, i) => Math.abs(value - rounded[i])));
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(bound);
  const through = (bytes: boolean) => grad((y: Tensor) => sum(forClip(y, { size: 20, fit: "pad", bytes })))(x).data();
  expect((await through(false)).every((value) => value !== 0)).toBe(true);
  expect((await through(true)).every((value) => value === 0)).toBe(true);
});

test("what is no batch of pictures is refused", () => {
  const grey = tensor(new Float32Array(4), { shape: [1, 1, 2, 2] });
  expect(() => forClip(grey, { size: 2, fit: "pad" })).toThrow(
    "features: pictures are [1, 1, 2, 2], expected [batch, 3, height, width] from −1 to 1.",
  );
  expect(() => resizeBicubic(grey, [0, 2])).toThrow("resizeBicubic: the size is [0, 2], expected whole numbers ≥ 1.");
});
