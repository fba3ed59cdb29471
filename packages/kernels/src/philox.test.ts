import { fillBits, fillNormal, fillUniform, type Key, keyFromSeed, normalPair } from "@snoopi/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { create, globals } from "webgpu";
import { philoxWgsl } from "./philox.ts";

Object.assign(globalThis, globals);
const gpu = create([]); // kept for the whole file: Dawn stops with it
let device: GPUDevice;

beforeAll(async () => {
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error("no WebGPU adapter");
  device = await adapter.requestDevice();
});
afterAll(() => device.destroy());

const count = 1 << 18;

/** Runs `value`, a WGSL expression of u32 in the element number `i`, for `count` elements. */
async function compute(value: string): Promise<Uint32Array> {
  const code = `${philoxWgsl}
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  out[i] = ${value};
}`;
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module: device.createShaderModule({ code }) } });
  const out = device.createBuffer({ size: count * 4, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const read = device.createBuffer({ size: count * 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: out } }] }),
  );
  pass.dispatchWorkgroups(count / 64);
  pass.end();
  encoder.copyBufferToBuffer(out, 0, read, 0, count * 4);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const result = new Uint32Array(read.getMappedRange().slice(0));
  out.destroy();
  read.destroy();
  return result;
}

const differing = (a: Uint32Array, b: Uint32Array) => a.reduce((n, word, i) => n + (word === b[i] ? 0 : 1), 0);

test.each<[string, Key, number, number]>([
  ["from the beginning", keyFromSeed(0), 0, 0],
  ["across element 2³⁴, where the counter's second word begins", [0xffffffff, 0x80000001], 0xfffffffe, 2 ** 34 - count / 2],
])("bits, uniforms and normals on the GPU are core's bit for bit, %s", async (_, key, stream, start) => {
  const low = start >>> 0;
  const high = Math.floor(start / 2 ** 32);
  const element = `vec2u(i + ${low}u, ${high}u + select(0u, 1u, i + ${low}u < i)), ${stream}u, vec2u(${key[0]}u, ${key[1]}u)`;
  const words = new Uint32Array(count);
  const reals = new Float32Array(words.buffer);

  fillBits(key, stream, words, { start });
  expect(differing(await compute(`randomBits(${element})`), words)).toBe(0);
  fillUniform(key, stream, reals, { start });
  expect(differing(await compute(`bitcast<u32>(randomUniform(${element}))`), words)).toBe(0);
  fillNormal(key, stream, reals, { start });
  expect(differing(await compute(`bitcast<u32>(randomNormal(${element}))`), words)).toBe(0);
});

test("normals on the GPU are core's bit for bit around every power of two", async () => {
  const words = new Uint32Array(count);
  const reals = new Float32Array(words.buffer);
  const pair = new Float32Array(2);
  for (let i = 0; i < count; i++) {
    const first = ((1 << ((i >>> 1) % 32)) + ((i >>> 6) % 64) - 32) >>> 0;
    normalPair(first, Math.imul(i >>> 1, 0x9e3779b1) >>> 0, pair);
    reals[i] = pair[i % 2];
  }
  const first = "(1u << ((i >> 1u) % 32u)) + ((i >> 6u) % 64u) - 32u";
  expect(differing(await compute(`bitcast<u32>(normalPair(${first}, (i >> 1u) * 0x9e3779b1u)[i & 1u])`), words)).toBe(0);
});
