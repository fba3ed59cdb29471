import { type WebGpuDevice, webgpu } from "@snoopi/kernels/node";
import * as dawn from "webgpu";

/** Time on the adapter that one kernel took over all its launches. */
export interface KernelTime {
  readonly kernel: string;
  readonly launches: number;
  readonly seconds: number;
}

export interface Profiler {
  readonly device: WebGpuDevice;
  /** Times since the last call, most expensive kernel first. */
  take(): Promise<KernelTime[]>;
}

/** Most dispatches per submit: a query set holds 4096 timestamps. */
const slots = 2048;

/**
 * A device that puts every dispatch into a pass of its own and takes the time before and after. Work is the same; passes do not
 * overlap, so that the sum may exceed what the same work takes unobserved. Undefined where the adapter has no timestamps.
 */
export async function profiler(): Promise<Profiler | undefined> {
  Object.assign(globalThis, dawn.globals);
  const gpu = dawn.create([]) as GPU;
  (globalThis as { benchGpu?: GPU }).benchGpu = gpu;
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter?.features.has("timestamp-query")) return undefined;
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
  const wanted: GPUFeatureName[] = ["timestamp-query", "subgroups"];
  const gpuDevice = await adapter.requestDevice({
    requiredFeatures: wanted.filter((f) => adapter.features.has(f)),
    requiredLimits: { maxStorageBufferBindingSize, maxBufferSize },
  });
  const times = observe(gpuDevice);
  const device = await webgpu({ device: gpuDevice, adapterInfo: adapter.info });
  return { device, take: times };
}

interface Recorded {
  readonly set: GPUQuerySet;
  readonly buffer: GPUBuffer;
  readonly kernels: string[];
}

function observe(device: GPUDevice): Profiler["take"] {
  const recorded: Recorded[] = [];
  const begin = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor) => {
    const encoder = begin(descriptor);
    const set = device.createQuerySet({ type: "timestamp", count: 2 * slots });
    const buffer = device.createBuffer({ size: 16 * slots, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const kernels: string[] = [];
    recorded.push({ set, buffer, kernels });
    const beginPass = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = () => split(beginPass, set, kernels);
    const finish = encoder.finish.bind(encoder);
    encoder.finish = (options) => {
      if (kernels.length) encoder.resolveQuerySet(set, 0, 2 * kernels.length, buffer, 0);
      return finish(options);
    };
    return encoder;
  };
  return async () => {
    const total = new Map<string, { launches: number; seconds: number }>();
    for (const { set, buffer, kernels } of recorded.splice(0)) {
      const stamps = kernels.length ? await read(device, begin, buffer, 16 * kernels.length) : new BigUint64Array();
      for (const [i, kernel] of kernels.entries()) {
        const entry = total.get(kernel) ?? { launches: 0, seconds: 0 };
        entry.launches++;
        entry.seconds += Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e9;
        total.set(kernel, entry);
      }
      set.destroy();
      buffer.destroy();
    }
    return [...total].map(([kernel, t]) => ({ kernel, ...t })).sort((a, b) => b.seconds - a.seconds);
  };
}

/** A stand-in for a compute pass that opens a real one, with timestamps, at each dispatch. */
function split(beginPass: GPUCommandEncoder["beginComputePass"], set: GPUQuerySet, kernels: string[]): GPUComputePassEncoder {
  let pipeline: GPUComputePipeline;
  let bind: (pass: GPUComputePassEncoder) => void;
  const pass = {
    setPipeline(p: GPUComputePipeline) {
      pipeline = p;
    },
    setBindGroup(index: number, group: GPUBindGroup, offsets: number[]) {
      bind = (real) => real.setBindGroup(index, group, offsets);
    },
    dispatchWorkgroups(x: number, y?: number, z?: number) {
      const i = kernels.push(pipeline.label) - 1;
      if (i >= slots) throw new Error(`profile: a submit has more than ${slots} dispatches, and there are timestamps for no more.`);
      const real = beginPass({ timestampWrites: { querySet: set, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 } });
      real.setPipeline(pipeline);
      bind(real);
      real.dispatchWorkgroups(x, y, z);
      real.end();
    },
    end() {},
  };
  return pass as unknown as GPUComputePassEncoder;
}

async function read(
  device: GPUDevice,
  begin: GPUDevice["createCommandEncoder"],
  buffer: GPUBuffer,
  bytes: number,
): Promise<BigUint64Array> {
  const staging = device.createBuffer({ size: bytes, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = begin();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return stamps;
}
