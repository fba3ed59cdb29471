import {
  type Device,
  type DType,
  dense,
  elementwiseOps,
  isDense,
  type Op,
  type Operand,
  SnoopiError,
  type Spec,
  Storage,
  sizeOf,
  type Term,
  type TypedArray,
} from "@snoopi/core";
import { elementwiseLaunches, packs } from "./elementwise.ts";
import { Encoder } from "./encoder.ts";
import type { Facts } from "./facts.ts";
import { bytesFor, gpuBytes } from "./footprint.ts";
import type { Lowering } from "./lowering.ts";
import { lowerings } from "./lowerings.ts";
import { type Block, Pool } from "./pool.ts";

/** A device of `@snoopi/core` that computes on a GPUDevice. */
export interface WebGpuDevice extends Device {
  readonly gpu: GPUDevice;
  readonly facts: Facts;
  /** Adapter, driver and what was found there, for reports. */
  readonly description: string;
  /** Frees everything. Tensors on it become unusable. */
  destroy(): void;
}

export function createBackend(gpu: GPUDevice, facts: Facts, description: string, wait: <T>(p: Promise<T>) => Promise<T>): WebGpuDevice {
  const encoder = new Encoder(gpu, facts.maxBindingBytes);
  const pool = new Pool(gpu, facts.maxBufferBytes);
  const hold = (bytes: number) => {
    const block = pool.take(bytes);
    return new Storage(block, block.bytes, () => pool.give(block));
  };
  const allocate = (dtype: DType, length: number) => hold(bytesFor(dtype, length));
  const blockOf = (storage: Storage) => storage.buffer as Block;

  /** Both dense, from the start of their storage. */
  const pack = (wide: Operand, out: Operand) => {
    const flat = (x: Operand): Operand => ({ ...x, layout: dense([sizeOf(x.layout.shape)]) });
    for (const launch of elementwiseLaunches(facts, packed, [flat(wide)], flat(out))) encoder.launch(launch);
  };
  const viaWide: Device["elementwise"] = ({ term, constants }, inputs, out) => {
    const storage = allocate("f32", sizeOf(out.layout.shape));
    const wide: Operand = { storage, layout: dense(out.layout.shape), dtype: "f32" };
    const widened: Term = { kind: "call", op: elementwiseOps.cast, args: [term], dtype: "f32" };
    for (const launch of elementwiseLaunches(facts, { term: widened, constants }, inputs, wide)) encoder.launch(launch);
    pack(wide, out);
    storage.release();
  };

  const device: WebGpuDevice = {
    name: "webgpu",
    gpu,
    facts,
    description,
    maxInputs: Math.min(7, gpu.limits.maxStorageBuffersPerShaderStage - 1),
    supports(dtype) {
      if (dtype === "f64") throw new SnoopiError('webgpu: f64 exists on the CPU only. Use dtype "f32", or device cpu.');
    },
    allocate,
    upload(dtype, data) {
      const storage = allocate(dtype, data.length);
      const block = blockOf(storage);
      // A write overtakes commands that are still being encoded: hand those over first.
      if (block.usedBy === encoder.serial) encoder.submit();
      const words = dtype === "bool" ? Uint32Array.from(data) : data;
      writeAligned(gpu, block.buffer, words);
      return storage;
    },
    accepts(op, attrs, index, layout) {
      const lowering = lowerings[op.name as keyof typeof lowerings] as Lowering;
      return lowering.accepts?.(index, layout, attrs) ?? isDense(layout);
    },
    run(op: Op<any>, attrs, inputs, out, extras) {
      const lowering = lowerings[op.name as keyof typeof lowerings] as Lowering | undefined;
      if (!lowering) throw new SnoopiError(`webgpu: there is no kernel for ${op.name}. Use device cpu, or write one.`);
      const temporaries: Storage[] = [];
      const temporary = ({ shape, dtype }: Spec): Operand => {
        const storage = allocate(dtype, sizeOf(shape));
        temporaries.push(storage);
        return { storage, layout: dense(shape), dtype };
      };
      // Kernels of ops store words. f16 results are packed by a copy.
      const wide = out.dtype === "f16" ? temporary({ shape: out.layout.shape, dtype: "f32" }) : out;
      for (const launch of lowering.launch({ attrs, inputs, out: wide, extras, facts, temporary })) encoder.launch(launch);
      if (wide !== out) pack(wide, out);
      for (const storage of temporaries) storage.release();
    },
    elementwise(expression, inputs, out) {
      if (out.dtype === "f16" && !packs(facts, inputs, out)) return viaWide(expression, inputs, out);
      for (const launch of elementwiseLaunches(facts, expression, inputs, out)) encoder.launch(launch);
    },
    submit: () => encoder.submit(),
    async idle() {
      encoder.submit();
      await wait(gpu.queue.onSubmittedWorkDone());
      await encoder.check();
    },
    async read(storage, dtype, length) {
      const bytes = length * gpuBytes(dtype);
      if (length === 0) return hostArray(dtype, new ArrayBuffer(0), 0);
      const size = Math.ceil(bytes / 4) * 4;
      const staging = gpu.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
      try {
        encoder.copy(blockOf(storage), staging, size);
        encoder.submit();
        await wait(staging.mapAsync(GPUMapMode.READ).catch(() => undefined));
        await encoder.check();
        return hostArray(dtype, staging.getMappedRange().slice(0), length);
      } finally {
        staging.destroy();
      }
    },
    memory: () => pool.memory(),
    trim() {
      encoder.submit();
      encoder.forget();
      pool.trim();
    },
    destroy: () => gpu.destroy(),
  };
  return device;
}

const packed = {
  term: { kind: "call", op: elementwiseOps.cast, args: [{ kind: "input", index: 0, dtype: "f32" }], dtype: "f16" },
  constants: [],
} as const;

function writeAligned(gpu: GPUDevice, buffer: GPUBuffer, data: TypedArray): void {
  const whole = data.byteLength & ~3;
  const plain = data.buffer instanceof ArrayBuffer ? data : data.slice();
  if (whole) gpu.queue.writeBuffer(buffer, 0, plain.buffer as ArrayBuffer, plain.byteOffset, whole);
  if (whole < data.byteLength) {
    const rest = new Uint8Array(4);
    rest.set(new Uint8Array(plain.buffer, plain.byteOffset + whole, data.byteLength - whole));
    gpu.queue.writeBuffer(buffer, whole, rest);
  }
}

function hostArray(dtype: DType, buffer: ArrayBuffer, length: number): TypedArray {
  if (dtype === "f32") return new Float32Array(buffer, 0, length);
  if (dtype === "f16") return new Uint16Array(buffer, 0, length);
  if (dtype === "i32") return new Int32Array(buffer, 0, length);
  if (dtype === "bool") return Uint8Array.from(new Uint32Array(buffer, 0, length));
  return new Uint32Array(buffer, 0, length);
}
