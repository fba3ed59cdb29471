import { DeviceLostError, type Expression, elementwiseOps, type Operand, OutOfMemoryError, SnoopiError, type Storage } from "@snoopi/core";
import { afterAll, expect, test, vi } from "vitest";
import { createBackend } from "./backend.ts";
import { Encoder } from "./encoder.ts";
import type { Kernel } from "./kernel.ts";
import { webgpu } from "./node.ts";
import { type Block, Pool } from "./pool.ts";

const device = await webgpu();
const { gpu } = device;
afterAll(() => device.destroy());

const input = { kind: "input", index: 0, dtype: "f32" } as const;
const plusOne: Expression = {
  term: { kind: "call", op: elementwiseOps.add, args: [input, { kind: "constant", index: 0, dtype: "f32" }], dtype: "f32" },
  constants: [1],
};
const vector = (storage: Storage, length: number): Operand => ({
  storage,
  layout: { shape: [length], strides: [1], offset: 0 },
  dtype: "f32",
});

/** Writes 7 to every element of a buffer of 64; `body` replaces what it does. */
const sevens = (body = "out[lane] = 7.0;"): Kernel => ({
  name: "sevens",
  inputs: [],
  outWidth: 1,
  params: ["unused"],
  body: `@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) { ${body} }`,
});

/** An encoder of its own with a block to write. */
function setting(on: GPUDevice = gpu) {
  const pool = new Pool(on, 2 ** 28);
  const block = pool.take(256);
  const launch = (encoder: Encoder, kernel: Kernel, out: Block = block) =>
    encoder.launch({ kernel, inputs: [], out: { block: out, dtype: "f32" }, params: { unused: 0 }, groups: 1 });
  return { pool, block, launch, encoder: new Encoder(on, 2 ** 27) };
}

test("bind groups are made once per list of blocks", () => {
  const made = vi.spyOn(gpu, "createBindGroup");
  const { pool, encoder, launch } = setting();
  const kernel = sevens();
  for (let i = 0; i < 5; i++) launch(encoder, kernel);
  expect(made).toHaveBeenCalledTimes(1);
  launch(encoder, kernel, pool.take(256));
  expect(made).toHaveBeenCalledTimes(2);
  encoder.submit();
  encoder.forget();
  launch(encoder, kernel);
  expect(made).toHaveBeenCalledTimes(3);
  encoder.submit();
  made.mockRestore();
});

test("a kernel is compiled once per element types and constants", () => {
  const compiled = vi.spyOn(gpu, "createComputePipeline");
  const { block, encoder } = setting();
  const kernel = sevens("out[lane] = T(SEVEN);");
  for (const [SEVEN, dtype] of [
    [7, "f32"],
    [7, "f32"],
    [8, "f32"],
    [7, "i32"],
  ] as const) {
    encoder.launch({ kernel, inputs: [], out: { block, dtype }, consts: { SEVEN }, params: { unused: 0 }, groups: 1 });
  }
  encoder.submit();
  expect(compiled).toHaveBeenCalledTimes(3);
  compiled.mockRestore();
});

test("an upload into a block that unsubmitted commands still read does not overtake them", async () => {
  const length = 1000;
  const old = device.upload("f32", new Float32Array(length).fill(1));
  const sums = device.allocate("f32", length);
  device.elementwise(plusOne, [vector(old, length)], vector(sums, length));
  old.release();
  const fresh = device.upload("f32", new Float32Array(length).fill(50));
  expect(fresh.buffer).toBe(old.buffer);
  expect(new Set(await device.read(sums, "f32", length))).toEqual(new Set([2]));
  expect(new Set(await device.read(fresh, "f32", length))).toEqual(new Set([50]));
  for (const storage of [sums, fresh]) storage.release();
});

test("an upload into a block that a replayed program still reads does not overtake it", async () => {
  const length = 1000;
  const old = device.upload("f32", new Float32Array(length).fill(1));
  const sums = device.allocate("f32", length);
  const program = device.capture(() => device.elementwise(plusOne, [vector(old, length)], vector(sums, length)));
  program.replay();
  old.release();
  const fresh = device.upload("f32", new Float32Array(length).fill(50));
  expect(fresh.buffer).toBe(old.buffer);
  expect(new Set(await device.read(sums, "f32", length))).toEqual(new Set([2]));
  program[Symbol.dispose]();
  for (const storage of [sums, fresh]) storage.release();
});

test("a copy of a whole tensor is in order with kernels before and after it, and with uploads", async () => {
  const length = 1000;
  const copy: Expression = { term: input, constants: [] };
  const [from, to, sums] = [device.upload("f32", new Float32Array(length).fill(1)), ...[0, 1].map(() => device.allocate("f32", length))];
  device.elementwise(plusOne, [vector(from, length)], vector(sums, length));
  device.elementwise(copy, [vector(sums, length)], vector(to, length));
  device.elementwise(plusOne, [vector(to, length)], vector(sums, length));
  device.elementwise(copy, [vector(from, length)], vector(to, length));
  from.release();
  const fresh = device.upload("f32", new Float32Array(length).fill(50));
  expect(fresh.buffer).toBe(from.buffer);
  expect(new Set(await device.read(sums, "f32", length))).toEqual(new Set([3]));
  expect(new Set(await device.read(to, "f32", length))).toEqual(new Set([1]));
  for (const storage of [to, sums, fresh]) storage.release();
});

test("more launches than one submit has slots for keep their own parameters", async () => {
  const zero = device.upload("f32", new Float32Array(4));
  const results = Array.from({ length: 1100 }, (_, i) => {
    const storage = device.allocate("f32", 4);
    device.elementwise({ ...plusOne, constants: [i] }, [vector(zero, 4)], vector(storage, 4));
    return storage;
  });
  for (const [i, storage] of results.entries()) {
    if (i % 100 === 0 || i > 1090) expect(await device.read(storage, "f32", 4)).toEqual(new Float32Array(4).fill(i));
    storage.release();
  }
  zero.release();
});

test("a shader that does not compile is reported by the next check and by every launch after", async () => {
  const { encoder, launch } = setting();
  const wrong = sevens("out[lane] = no_such_function();");
  for (let i = 0; i < 2; i++) {
    launch(encoder, wrong);
    encoder.submit();
    const failed = encoder.check();
    await expect(failed).rejects.toThrow(SnoopiError);
    await expect(failed).rejects.toThrow(/^webgpu: the device refused a submit\. /);
  }
  launch(encoder, sevens());
  encoder.submit();
  await encoder.check();
});

test("a binding beyond the device's limit is refused before it is encoded", () => {
  const { block, launch } = setting();
  const call = () => launch(new Encoder(gpu, 128), sevens());
  expect(call).toThrow(OutOfMemoryError);
  expect(call).toThrow(`webgpu: sevens needs ${block.bytes} bytes in one binding, and this device binds 128. Use a smaller batch or size.`);
});

test("a read after a refused submit throws instead of giving zeros", async () => {
  const own = createBackend(gpu, device.facts, "");
  const storage = own.upload("f32", new Float32Array(64).fill(3));
  // A buffer from elsewhere that was destroyed: the submit that uses it is dropped whole.
  const gone = own.allocate("f32", 64);
  own.elementwise(plusOne, [vector(storage, 64)], vector(gone, 64));
  (gone.buffer as Block).buffer.destroy();
  await expect(own.read(storage, "f32", 64)).rejects.toThrow(/^webgpu: the device refused a submit\. /);
  expect(await own.read(storage, "f32", 64)).toEqual(new Float32Array(64).fill(3));
  for (const held of [storage, gone]) held.release();
});

test("after the device is lost, every launch, read and wait says so", async () => {
  const own = await webgpu();
  const storage = own.upload("f32", new Float32Array(4));
  const reading = own.read(storage, "f32", 4);
  own.destroy();
  await expect(reading).rejects.toThrow(DeviceLostError);
  await own.gpu.lost;
  expect(() => own.elementwise(plusOne, [vector(storage, 4)], vector(storage, 4))).toThrow(DeviceLostError);
  await expect(own.read(storage, "f32", 4)).rejects.toThrow(/^webgpu: the device was lost \(destroyed\)\./);
  await expect(own.idle()).rejects.toThrow(DeviceLostError);
  storage.release();
});
