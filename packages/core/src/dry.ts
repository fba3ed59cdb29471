import { costOf, type Device, type MemoryReport, type Operand } from "./device.ts";
import { bytesOf, type DType } from "./dtype.ts";
import { SnoopiError } from "./error.ts";
import { dense } from "./layout.ts";
import { Storage } from "./node.ts";
import type { Spec } from "./op.ts";
import { checkOptions } from "./options.ts";
import { sizeOf } from "./shape.ts";

/** A device that computes nothing and counts what a program would hold and cost. */
export interface DryDevice extends Device {
  /** Floating-point operations of all that has run. */
  readonly flops: number;
  /** Kernels started by all that has run: as many as `plan` says, or one a call. */
  readonly dispatches: number;
}

/** What a real device would do with a call, without doing it. */
export interface DryPlan {
  /** As {@link Device.accepts}. */
  readonly accepts: Device["accepts"];
  /** As {@link Device.orderOf}. */
  readonly orderOf?: Device["orderOf"];
  /** How many kernels {@link Device.run} would start. `temporary` gives room for values between them, freed after the call. */
  run(temporary: (spec: Spec) => Operand, ...call: Parameters<Device["run"]>): number;
  /** How many kernels {@link Device.elementwise} would start. */
  elementwise(temporary: (spec: Spec) => Operand, ...call: Parameters<Device["elementwise"]>): number;
}

export interface DryOptions {
  /**
   * Bytes that a device takes for `length` elements. Default: what JavaScript takes. Tensors that it closes over are never collected,
   * because the registry that frees forgotten tensors holds the device.
   */
  readonly bytes?: (dtype: DType, length: number) => number;
  /** Most inputs of one fused kernel, which decides what is fused. Default 7. */
  readonly maxInputs?: number;
  /** Stands in for the kernels of a device. Default: one kernel per call, which reads any layout and needs no temporary room. */
  readonly plan?: DryPlan;
}

const onePerCall: DryPlan = { accepts: () => true, run: () => 1, elementwise: () => 1 };

/**
 * Runs programs for their shapes only: storage is counted instead of allocated, kernels do nothing, and reading throws. Made for asking how
 * much memory a network will need before its weights are there: `memory()` tells what tensors hold at most (`peakBytes`), and what a device
 * that keeps freed blocks for equal sizes takes from the system (`peakDeviceBytes`).
 */
export function createDryDevice(options: DryOptions = {}): DryDevice {
  const {
    bytes = (dtype: DType, length: number) => length * bytesOf[dtype],
    maxInputs = 7,
    plan = onePerCall,
  } = checkOptions("createDryDevice", options, { bytes: true, maxInputs: true, plan: true });
  const live = { tensors: 0, bytes: 0, peakBytes: 0 };
  const free = new Map<number, number>();
  let [flops, dispatches, pooledBytes, peakDeviceBytes] = [0, 0, 0, 0];
  const take = (size: number) => {
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
  let hold = take;
  const withRoom = (count: (temporary: (spec: Spec) => Operand) => number): void => {
    const room: Storage[] = [];
    dispatches += count(({ shape, dtype }) => {
      const storage = hold(bytes(dtype, sizeOf(shape)));
      room.push(storage);
      return { storage, layout: dense(shape), dtype };
    });
    for (const storage of room) storage.release();
  };
  return {
    name: "dry",
    maxInputs,
    get flops() {
      return flops;
    },
    get dispatches() {
      return dispatches;
    },
    supports() {},
    allocate: (dtype, length) => hold(bytes(dtype, length)),
    upload: (dtype, data) => hold(bytes(dtype, data.length)),
    accepts: plan.accepts,
    ...(plan.orderOf && { orderOf: plan.orderOf }),
    run(op, attrs, inputs, out, extras) {
      const specs = inputs.map(({ layout, dtype }) => ({ shape: layout.shape, dtype }));
      flops += costOf(op, specs, attrs, { shape: out.layout.shape, dtype: out.dtype });
      withRoom((temporary) => plan.run(temporary, op, attrs, inputs, out, extras));
    },
    elementwise(expression, inputs, out) {
      flops += sizeOf(out.layout.shape);
      withRoom((temporary) => plan.elementwise(temporary, expression, inputs, out));
    },
    capture(calls) {
      const before = { flops, dispatches };
      const own = planned(take);
      hold = own.take;
      try {
        calls();
      } catch (error) {
        own.release();
        ({ flops, dispatches } = before);
        throw error;
      } finally {
        hold = take;
      }
      const each = { flops: flops - before.flops, dispatches: dispatches - before.dispatches };
      ({ flops, dispatches } = before);
      return {
        dispatches: each.dispatches,
        replay() {
          flops += each.flops;
          dispatches += each.dispatches;
        },
        [Symbol.dispose]: own.release,
      };
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

/** Storages of a captured program: one that a value no longer needs is reused for the next of its size, in this program only. */
function planned(take: (size: number) => Storage) {
  const owned: Storage[] = [];
  const free = new Map<number, Storage[]>();
  return {
    take(size: number): Storage {
      let base = free.get(size)?.pop();
      if (!base) {
        base = take(size);
        owned.push(base);
      }
      const held = base;
      return new Storage(undefined, size, () => {
        const same = free.get(size);
        if (same) same.push(held);
        else free.set(size, [held]);
      });
    },
    release() {
      for (const storage of owned.splice(0)) storage.release();
    },
  };
}
