import { createCpu, fromData, keep, scope } from "@snoopi/core";
import { expect, test } from "vitest";
import type { LoraLayer } from "./lora.ts";
import { withChanges } from "./merge.ts";

const layer: LoraLayer = { module: "unet.a", down: "A", up: "B", rank: 1, factor: 0.5 };

/** A LoRA in memory: A `[1, 2]` and B `[3, 1]`. */
const loraOf = (numbers: Readonly<Record<string, readonly number[]>>) => ({
  name: "x.safetensors",
  entries: new Map(),
  layers: new Map([["unet_a", layer]]),
  read: async (name: string) => ({ dtype: "f32" as const, shape: name === "A" ? [1, 2] : [3, 1], data: Float32Array.from(numbers[name]) }),
  close: async () => {},
});

const weightOn = (device: ReturnType<typeof createCpu>, dtype: "f32" | "f16" = "f32") =>
  keep(scope(() => fromData(new Float32Array(6).fill(1), { shape: [3, 2], dtype: "f32", device }).to(dtype)));

test.each(["f32", "f16"] as const)(
  "a weight in %s has what LoRAs add, each by its scale and factor, and nothing else is left",
  async (dtype) => {
    const device = createCpu();
    const weight = weightOn(device, dtype);
    const [one, other] = [loraOf({ A: [1, 2], B: [1, 0, -1] }), loraOf({ A: [0, 8], B: [0, 0, 1] })];
    const merged = await withChanges(
      weight,
      [
        { lora: one, layer, scale: 2 },
        { lora: other, layer, scale: -1 },
      ],
      device,
    );
    expect([...(await merged.data())]).toEqual([2, 3, 1, 1, 0, -5]);
    expect(merged.dtype).toBe(dtype);
    weight.dispose();
    merged.dispose();
    expect(device.memory().tensors).toBe(0);
  },
);

test.each([Number.NaN, Number.POSITIVE_INFINITY])("a LoRA that holds %s is refused by its tensor's name", async (value) => {
  const device = createCpu();
  const weight = weightOn(device);
  const adding = withChanges(weight, [{ lora: loraOf({ A: [1, 2], B: [0, value, 0] }), layer, scale: 1 }], device);
  await expect(adding).rejects.toThrow('x.safetensors: "B" has values that are infinite or no numbers.');
  weight.dispose();
  expect(device.memory().tensors).toBe(0);
});

test("a sum that f16 cannot hold is refused, and one that it just can is not", async () => {
  const device = createCpu();
  const weight = weightOn(device, "f16");
  const adding = (...sizes: number[]) =>
    withChanges(
      weight,
      sizes.map((v) => ({ lora: loraOf({ A: [1, 0], B: [0, -v, 0] }), layer, scale: 2 })),
      device,
    );
  await expect(adding(70000, 1)).rejects.toThrow(
    "x.safetensors: with unet.a added a weight reaches 70000, and f16 ends at 65504. Give a smaller scale, or weights in f32.",
  );
  const fits = await adding(65519);
  expect([...(await fits.data())]).toEqual([1, 1, -65504, 1, 1, 1]);
  fits.dispose();
  weight.dispose();
  expect(device.memory().tensors).toBe(0);
});

test("nothing is left of a sum that the device does not finish", async () => {
  const working = createCpu();
  const device = { ...working, idle: () => Promise.reject(new Error("the device was lost")) };
  const weight = weightOn(device);
  await expect(withChanges(weight, [{ lora: loraOf({ A: [1, 2], B: [1, 0, 0] }), layer, scale: 1 }], device)).rejects.toThrow("lost");
  weight.dispose();
  expect(working.memory().tensors).toBe(0);
});
