import { createDryDevice, zeros } from "@snoopi/core";
import { footprint, webgpuPlan } from "@snoopi/kernels";
import { webgpu } from "@snoopi/kernels/node";
import { sd15, sd21 } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { estimate, generate, loadModel, modelShape, openModel, type Request } from "@snoopi/snoopi";
import { expect, test } from "vitest";
import { gpu } from "./gpu.ts";

const dry = () => createDryDevice({ bytes: footprint });
const golden = (name: string) => openModel(nodeFolder(new URL(`golden/${name}-tiny`, import.meta.url).pathname));

const requests: readonly Omit<Request, "prompt">[] = [
  { negative: "dog", width: 96, height: 48, steps: 1 },
  { negative: "dog", steps: 3 },
];

test.skipIf(!gpu.device).each(["sd15", "sd21", "third"])("what a picture takes on the GPU is known beforehand: %s-tiny", async (name) => {
  const model = await golden(name);
  for (const request of requests) {
    const device = await webgpu();
    const expected = await estimate(model, request, {
      device: createDryDevice(webgpuPlan(device.facts)),
      dtypeOf: () => (name === "sd21" ? "f16" : "f32"),
    });
    using loaded = await loadModel(model, { device });
    expect(device.memory().bytes).toBe(expected.weightBytes);
    await generate(loaded, { ...request, prompt: "a cat" });
    const { peakBytes, peakDeviceBytes } = device.memory();
    expect({ peakBytes, deviceBytes: peakDeviceBytes }).toEqual({ peakBytes: expected.peakBytes, deviceBytes: expected.deviceBytes });
    device.destroy();
  }
});

test("published models are estimated without their weights, in seconds", async () => {
  const start = performance.now();
  const half = () => "f16" as const;
  const one = await estimate(modelShape(sd15, "sd15"), { steps: 1 }, { device: dry(), dtypeOf: half });
  const two = await estimate(modelShape(sd21, "sd21"), { steps: 1 }, { device: dry(), dtypeOf: half });
  expect(performance.now() - start).toBeLessThan(5000);
  // 859.5, 123.1 and 49.5 million parameters in UNet, text encoder and decoder; 865.9, 340.4 and 49.5 for the other. Two bytes each, and rounding.
  expect(one.weightBytes / 2 / 1032.1e6).toBeCloseTo(1, 1);
  expect(two.weightBytes / 2 / 1255.8e6).toBeCloseTo(1, 1);
  // 512² and 768²: the larger picture has 2.25 times the activations, and more where attention is not bounded by them.
  expect((two.peakBytes - two.weightBytes) / (one.peakBytes - one.weightBytes)).toBeCloseTo(2.25, 1);
});

test("steps cost what they cost, and hold no more", async () => {
  const model = await golden("third");
  const of = (steps: number) => estimate(model, { steps }, { device: dry() });
  const [two, four, many] = [await of(2), await of(4), await of(900)];
  expect(many.flops - two.flops).toBeCloseTo(449 * (four.flops - two.flops), -3);
  expect(many.peakBytes).toBe(two.peakBytes);
});

test("a dry device refuses to be read", async () => {
  const device = createDryDevice();
  await expect(zeros([2], { device }).add(1).data()).rejects.toThrow("read: this tensor is on a dry device, which computes nothing.");
  expect(device.memory().peakBytes).toBe(8);
});
