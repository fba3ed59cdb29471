import {
  type Device,
  type DType,
  dense,
  type Expression,
  isDense,
  type Operand,
  type Origin,
  SnoopiError,
  type Spec,
  Storage,
  sizeOf,
  type TypedArray,
} from "@snoopi/core";
import { type Claim, createClaim } from "./claim.ts";
import { Encoder, type Launch } from "./encoder.ts";
import type { Facts } from "./facts.ts";
import { bytesFor, gpuBytes } from "./footprint.ts";
import type { Kernel } from "./kernel.ts";
import { launchesFor, launchesOf, loweringOf, type Room } from "./launches.ts";
import { type Block, Pool } from "./pool.ts";
import { variantOf } from "./wgsl-op.ts";

/** A device of `@snoopi/core` that computes on a GPUDevice. */
export interface WebGpuDevice extends Device {
  /** Starts compiling a user's kernel. A compile error rejects whatever reads a result of it. */
  compile(kernel: Kernel, dtypes: readonly DType[], out: DType): void;
  readonly gpu: GPUDevice;
  readonly facts: Facts;
  /** Vendor, architecture, device and description of the adapter, for reports. */
  readonly description: string;
  /** Frees everything. Tensors on it become unusable. */
  destroy(): void;
}

/** Options that depend on the host a device runs in. */
export interface BackendOptions {
  /**
   * The most bytes that tensors and freed buffers kept for reuse may hold together. An allocation that would exceed it first frees the kept
   * buffers and, if that is not enough, throws OutOfMemoryError. Copies on their way to JavaScript are not counted. Default no limit but
   * the device's.
   */
  readonly budgetBytes?: number;
  /** Wraps every wait for the GPU; the Node entry uses it to poll gently. */
  readonly wait?: <T>(work: Promise<T>) => Promise<T>;
  /** Called for every bind group made. Only garbage collection frees them; the Node entry triggers one now and then. */
  readonly boundAnother?: () => void;
}

export function createBackend(
  gpu: GPUDevice,
  facts: Facts,
  description: string,
  { wait = (work) => work, boundAnother = () => {}, budgetBytes }: BackendOptions = {},
): WebGpuDevice {
  const encoder = new Encoder(gpu, facts.maxBindingBytes, boundAnother);
  const pool = new Pool(gpu, facts.maxBufferBytes, {
    maxBinding: facts.maxBindingBytes,
    ...(budgetBytes !== undefined && { budgetBytes }),
    settle() {
      encoder.submit();
      encoder.forget();
    },
  });
  let collecting: Claim | undefined;
  const hold = (bytes: number, owner: string) => {
    const claim = collecting;
    const block = claim ? claim.take(bytes) : pool.take(bytes, owner);
    return new Storage(block, block.bytes, () => (claim ? claim.give(block) : pool.give(block)));
  };
  const allocate = (dtype: DType, length: number) => hold(bytesFor(dtype, length), `${length} of ${dtype}`);
  const blockOf = (storage: Storage) => storage.buffer as Block;

  /** Encodes launches. Their temporaries are free again once they are encoded. */
  const launched = (make: (room: Room) => readonly Launch[]) => {
    const temporaries: Storage[] = [];
    const temporary = ({ shape, dtype }: Spec): Operand => {
      const storage = allocate(dtype, sizeOf(shape));
      temporaries.push(storage);
      return { storage, layout: dense(shape), dtype };
    };
    try {
      for (const launch of make({ facts, temporary })) encoder.launch(launch);
    } finally {
      for (const storage of temporaries) storage.release();
    }
  };

  const device: WebGpuDevice = {
    name: "webgpu",
    gpu,
    facts,
    description,
    maxInputs: facts.maxInputs,
    supports(dtype) {
      if (dtype === "f64") throw new SnoopiError('webgpu: f64 exists on the CPU only. Use dtype "f32", or device cpu.');
    },
    allocate,
    upload(dtype, data) {
      const storage = allocate(dtype, data.length);
      const block = blockOf(storage);
      // A write overtakes commands that are still being encoded: submit those first.
      if (block.usedBy === encoder.serial) encoder.submit();
      const words = dtype === "bool" ? Uint32Array.from(data) : data;
      writeAligned(gpu, block.buffer, words);
      return storage;
    },
    accepts: (op, attrs, index, lies) => loweringOf(op)?.accepts?.(index, lies, attrs) ?? isDense(lies.layout),
    orderOf: (op, index, inputs) => loweringOf(op)?.order?.(index, inputs),
    run: (op, attrs, inputs, out, extras) => launched((room) => launchesOf({ op, attrs, inputs, out, extras }, room)),
    elementwise(expression, inputs, out) {
      // In a captured program a copy is a launch like the others, in the same pass.
      const bytes = sizeOf(out.layout.shape) * gpuBytes(out.dtype);
      if (!collecting && bytes % 4 === 0 && isCopy(expression, inputs, out)) {
        encoder.transfer(blockOf(inputs[0].storage), blockOf(out.storage), bytes);
      } else launched((room) => launchesFor(expression, inputs, out, room));
    },
    capture(calls) {
      // Leaves nothing encoded while calls are collected, so that the pool may be trimmed meanwhile.
      encoder.submit();
      const claim = createClaim(pool);
      collecting = claim;
      try {
        const replay = encoder.prepare(encoder.collect(calls));
        return {
          dispatches: replay.dispatches,
          replay: replay.encode,
          [Symbol.dispose]() {
            encoder.submit();
            replay.destroy();
            claim.end();
          },
        };
      } catch (error) {
        claim.end();
        throw error;
      } finally {
        collecting = undefined;
      }
    },
    compile(kernel, dtypes, out) {
      encoder.pipelines.get(kernel, dtypes, out);
    },
    ready(pending) {
      if (!encoder.pipelines.doubtful) return undefined;
      return wait(encoder.pipelines.settle()).then(() => {
        for (const { origin, spec } of pending()) {
          const variant = origin && variantOf(origin.op, specsOf(origin), origin.attrs, spec);
          const failure = variant && encoder.pipelines.get(...variant).failure;
          if (failure) throw failure;
        }
      });
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

const specsOf = ({ inputs }: Origin): Spec[] => inputs.map((n) => n.spec);

/** Whether a result is a plain copy of its input, which needs no kernel. */
function isCopy({ term }: Expression, [x]: readonly Operand[], out: Operand): boolean {
  const fromStart = ({ layout }: Operand) => layout.offset === 0 && isDense(layout);
  return term.kind === "input" && x.dtype === out.dtype && x.storage !== out.storage && fromStart(x) && fromStart(out);
}

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
