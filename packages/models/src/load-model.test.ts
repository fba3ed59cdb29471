import { createCpu, type Shape, scope } from "@snoopi/core";
import { expect, test } from "vitest";
import type { TensorReader } from "./checkpoint/safetensors-read.ts";
import { loadTensors } from "./load-model.ts";

/** A file in memory: stored type and shape of each tensor. Reading the tensor `broken` fails. */
function reader(stored: Record<string, readonly [dtype: string, shape: Shape]>, { broken = "" } = {}): TensorReader & { asked: string[] } {
  const asked: string[] = [];
  let at = 0;
  const size = (dtype: string, shape: Shape) => shape.reduce((n, d) => n * d, dtype.endsWith("16") ? 2 : 4);
  const entries = new Map(
    Object.entries(stored).map(([name, [dtype, shape]]) => {
      const start = at;
      at += size(dtype, shape);
      return [name, { dtype, shape, start, end: at }];
    }),
  );
  return {
    name: "m/unet",
    entries,
    bytes: at,
    asked,
    async read(name, { dtype = "f32" } = {}) {
      asked.push(name);
      if (name === broken) throw new Error("the disk is gone");
      const { shape } = entries.get(name)!;
      const length = shape.reduce((n, d) => n * d, 1);
      return { shape, dtype, data: dtype === "f16" ? new Uint16Array(length).fill(0x3c00) : new Float32Array(length).fill(1) };
    },
    close: async () => {},
  };
}

const manifest = new Map<string, Shape>([
  ["a.weight", [2, 3]],
  ["b.weight", [3, 2, 1, 1]],
  ["c.bias", [4]],
]);

test("tensors take the manifest's shape, stay f16 where they are, and come in the order of the file", async () => {
  const weights = reader({ "c.bias": ["F16", [4]], extra: ["F32", [1]], "b.weight": ["BF16", [3, 2]], "a.weight": ["F32", [2, 3, 1, 1]] });
  const progress: number[][] = [];
  const { tensors, unexpected } = await loadTensors("unet", weights, {
    manifest,
    device: createCpu(),
    onBytes: (...bytes) => progress.push(bytes),
  });
  expect([...tensors].map(([name, { shape, dtype }]) => [name, shape, dtype])).toEqual([
    ["c.bias", [4], "f16"],
    ["b.weight", [3, 2, 1, 1], "f32"],
    ["a.weight", [2, 3], "f32"],
  ]);
  expect(unexpected).toEqual(["extra"]);
  expect(weights.asked).not.toContain("extra");
  expect(progress).toEqual([8, 20, 44].map((done) => [done, 44]));
});

test("an element type that is asked for holds for all", async () => {
  const weights = reader({ "a.weight": ["F32", [2, 3]], "b.weight": ["F16", [3, 2]], "c.bias": ["BF16", [4]] });
  for (const dtype of ["f16", "f32"] as const) {
    const { tensors } = await loadTensors("unet", weights, { manifest, device: createCpu(), dtype });
    expect([...tensors.values()].map((t) => t.dtype)).toEqual([dtype, dtype, dtype]);
  }
});

test("loaded tensors outlive the scope they were loaded in", async () => {
  const weights = reader({ "a.weight": ["F32", [2, 3]], "b.weight": ["F16", [3, 2]], "c.bias": ["BF16", [4]] });
  const { tensors } = await scope(() => loadTensors("unet", weights, { manifest, device: createCpu() }));
  expect([...tensors.values()].some(({ disposed }) => disposed)).toBe(false);
});

test("nothing is read of a checkpoint that does not fit", async () => {
  const short = reader({ "a.weight": ["F32", [3, 2]] });
  await expect(loadTensors("unet", short, { manifest, device: createCpu() })).rejects.toThrow(
    /2 tensors missing: b.weight, c.bias; 1 tensor of another shape: a.weight/,
  );
  const small = reader({ "a.weight": ["I8", [2, 3]], "b.weight": ["F8_E4M3", [3, 2]], "c.bias": ["F32", [4]] });
  await expect(loadTensors("unet", small, { manifest, device: createCpu() })).rejects.toThrow(
    "m/unet: 2 parameters are no floats but quantised: a.weight (I8), b.weight (F8_E4M3). Give F32, F16 or BF16 weights.",
  );
  expect([...short.asked, ...small.asked]).toEqual([]);
});

test("what was loaded is let go when the rest cannot be, or nobody wants it any more", async () => {
  const stored = { "a.weight": ["F32", [2, 3]], "b.weight": ["F16", [3, 2]], "c.bias": ["F32", [4]] } as const;
  const device = createCpu();
  await expect(loadTensors("unet", reader(stored, { broken: "c.bias" }), { manifest, device })).rejects.toThrow("the disk is gone");
  const stop = new AbortController();
  const aborted = loadTensors("unet", reader(stored), { manifest, device, signal: stop.signal, onBytes: () => stop.abort() });
  await expect(aborted).rejects.toThrow(/abort/);
  expect(device.memory().tensors).toBe(0);
});
