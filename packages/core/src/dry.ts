import { costOf, type Device, type MemoryReport } from "./device.ts";
import { bytesOf, type DType } from "./dtype.ts";
import { SnoopiError } from "./error.ts";
import { Storage } from "./node.ts";
import { sizeOf } from "./shape.ts";

/** A device that computes nothing and counts what a program would hold and cost. */
export interface DryDevice extends Device {
  /** Floating-point operations of all that has run. */
  readonly flops: number;
}

export interface DryOptions {
  /** Bytes that a device takes for so many elements. Default: what JavaScript takes. */
  readonly bytes?: (dtype: DType, length: number) => number;
  /** Most inputs of one fused kernel, which decides what is fused. Default 7. */
  readonly maxInputs?: number;
}

/**
 * Runs programs for their shapes only: storage is counted instead of allocated, kernels do nothing, and reading throws. Made for asking how
 * much memory a network will need before its weights are there: `memory()` tells what tensors hold at most (`peakBytes`), and what a device
 * that keeps freed blocks for equal sizes takes from the system (`peakDeviceBytes`).
 */
export function createDryDevice({ bytes = (dtype, length) => length * bytesOf[dtype], maxInputs = 7 }: DryOptions = {}): DryDevice {
  const live = { tensors: 0, bytes: 0, peakBytes: 0 };
  const free = new Map<number, number>();
  let [flops, pooledBytes, peakDeviceBytes] = [0, 0, 0];
  const hold = (size: number) => {
    const reusable = free.get(size) ?? 0;
    if (reusable > 0) {
      free.set(size, reusable - 1);
      pooledBytes -= size;
    }
    live.tensors++;
    live.bytes += size;
    live.peakBytes = Math.max(live.peakBytes, live.bytes);
    peakDeviceBytes = Math.max(peakDeviceBytes, live.bytes + pooledBytes);
    return new Storage(undefined, size, () => {
      live.tensors--;
      live.bytes -= size;
      free.set(size, (free.get(size) ?? 0) + 1);
      pooledBytes += size;
    });
  };
  return {
    name: "dry",
    maxInputs,
    get flops() {
      return flops;
    },
    supports() {},
    allocate: (dtype, length) => hold(bytes(dtype, length)),
    upload: (dtype, data) => hold(bytes(dtype, data.length)),
    accepts: () => true,
    run(op, attrs, inputs, out) {
      const specs = inputs.map(({ layout, dtype }) => ({ shape: layout.shape, dtype }));
      flops += costOf(op, specs, attrs, { shape: out.layout.shape, dtype: out.dtype });
    },
    elementwise(_expression, _inputs, out) {
      flops += sizeOf(out.layout.shape);
    },
    submit() {},
    idle: async () => {},
    read() {
      throw new SnoopiError("read: this tensor is on a dry device, which computes nothing. Use its shape, or another device.");
    },
    memory: (): MemoryReport => ({ ...live, pooledBytes, peakDeviceBytes }),
    trim() {
      free.clear();
      pooledBytes = 0;
    },
  };
}
