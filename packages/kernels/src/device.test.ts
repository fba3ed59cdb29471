import { add, arange, cpu, layerNorm, matmul, normal, permute, reshape, scope, silu, softmax, sum, tensor } from "@snoopi/core";
import { afterAll, expect, test } from "vitest";
import { createBackend } from "./backend.ts";
import { webgpu as open } from "./device.ts";
import { webgpu } from "./node.ts";

const device = await webgpu();
afterAll(() => device.destroy());
/** What the Node entry keeps for the life of the process. */
const {
  snoopiGpu: { gpu: host },
} = globalThis as unknown as { snoopiGpu: { gpu: GPU } };

const mebi = 2 ** 20;

test("a device of the caller's is used as it is: its limits, and no feature it was not opened with", async () => {
  const adapter = await host.requestAdapter();
  const own = await adapter!.requestDevice();
  const d = await webgpu({ device: own });
  expect(d.gpu).toBe(own);
  expect(d.facts).toMatchObject({ subgroupSize: undefined, maxBindingBytes: 128 * mebi, maxBufferBytes: 256 * mebi });
  const [x, y] = [normal([33, 20], { key: 1, device: d }), normal([20, 9], { key: 2, device: d })];
  const want = await matmul(normal([33, 20], { key: 1, device: cpu }), normal([20, 9], { key: 2, device: cpu })).data();
  const got = await matmul(x, y).data();
  // Sums of 20 products of normals, each below 2⁵ in size: 22 · 2⁻²⁴ · 32.
  for (let i = 0; i < want.length; i++) expect(Math.abs(got[i] - want[i])).toBeLessThan(22 * 2 ** -19);
  d.destroy();
});

test("limits stay at WebGPU's defaults when they are not to be raised", async () => {
  const d = await webgpu({ raiseLimits: false });
  expect(d.facts).toMatchObject({ maxBindingBytes: 128 * mebi, maxBufferBytes: 256 * mebi });
  expect(await sum(arange(100, { device: d })).item()).toBe(4950);
  d.destroy();
});

test("flags that differ from those that Dawn was started with are refused", async () => {
  await expect(webgpu({ flags: ["disable-dawn-features=x"] })).rejects.toThrow(
    "webgpu: Dawn was started with no flags in this process, not with disable-dawn-features=x. Give them to the first call.",
  );
});

test("limits are the adapter's when they are to be raised", async () => {
  const adapter = await host.requestAdapter();
  expect(device.facts.maxBindingBytes).toBe(adapter!.limits.maxStorageBufferBindingSize);
});

test("a runtime without WebGPU and a machine without an adapter are told apart", async () => {
  await expect(open()).rejects.toThrow("webgpu: this runtime has no WebGPU.");
  const none = { requestAdapter: async () => null } as unknown as GPU;
  await expect(open({ gpu: none })).rejects.toThrow("webgpu: there is no adapter on this machine.");
});

test("f64 is refused with what to do", () => {
  const says = 'webgpu: f64 exists on the CPU only. Use dtype "f32", or device cpu.';
  expect(() => tensor([1, 2], { dtype: "f64", device })).toThrow(says);
  expect(() => tensor([1, 2], { device }).to("f64")).toThrow(says);
});

test("memory is back where it was when a scope ends, temporaries of kernels included", async () => {
  const before = device.memory();
  await scope(async (s) => {
    const y = s.run(() => {
      const x = normal([3, 70, 50], { key: 1, device });
      return sum(softmax(layerNorm(silu(matmul(x, permute(x, [0, 2, 1]))))), { axis: [0, 2] });
    });
    await y.data();
    expect(device.memory().tensors).toBeGreaterThan(before.tensors);
  });
  const { tensors, bytes } = device.memory();
  expect({ tensors, bytes }).toEqual({ tensors: before.tensors, bytes: before.bytes });
  device.trim();
  expect(device.memory().pooledBytes).toBe(0);
});

test("more groups than one dimension of a dispatch allows compute every element, row and result", async () => {
  const [rows, columns] = [4100, 4104];
  const i = reshape(arange(rows, { dtype: "i32", device }).mul(columns), [rows, 1]);
  const grid = add(i, arange(columns, { dtype: "i32", device }));
  const places = await grid.data();
  expect(Math.ceil(places.length / 4 / 64)).toBeGreaterThan(65535);
  expect(places.findIndex((v, at) => v !== at)).toBe(-1);
  grid.dispose();
  // Eight rows a group here, one a group with workgroup trees.
  const sizes = [
    [device, 8 * 65536 + 9],
    [createBackend(device.gpu, { ...device.facts, software: false }, ""), 65536 + 9],
  ] as const;
  for (const [d, n] of sizes) {
    const y = await softmax(reshape(arange(n, { device: d }), [n, 1]).mul(tensor([0, 0], { device: d }))).data();
    expect(y.findIndex((v) => v !== 0.5)).toBe(-1);
  }
});
