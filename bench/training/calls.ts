import * as dawn from "webgpu";

/** What was encoded during a step. */
export interface Encoded {
  readonly dispatches: number;
  /**
   * Makes the calls inside the step's compute passes again in a loop that does nothing else, and submits each pass: a cost no library can
   * avoid. What the step made, wrote or copied outside of passes is not repeated.
   */
  again(): void;
}

/** What a library asks of WebGPU, seen in its process whatever the library is. */
export interface Calls {
  /** Peak bytes of buffers that were made and not yet destroyed. */
  peakBytes(): number;
  /** Watches one step, which slows it down. */
  during(step: () => Promise<unknown>): Promise<Encoded>;
}

type Call = (pass: GPUComputePassEncoder) => void;

/** Watches every device of this process from now on. */
export function watchCalls(): Calls {
  Object.assign(globalThis, dawn.globals);
  const sizes = new WeakMap<GPUBuffer, number>();
  let [bytes, peakBytes] = [0, 0];
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    bytes += descriptor.size;
    sizes.set(buffer, descriptor.size);
    peakBytes = Math.max(peakBytes, bytes);
    return buffer;
  };
  const { destroy } = GPUBuffer.prototype;
  GPUBuffer.prototype.destroy = function () {
    bytes -= sizes.get(this) ?? 0;
    sizes.delete(this);
    return destroy.call(this);
  };
  return { peakBytes: () => peakBytes, during };
}

async function during(step: () => Promise<unknown>): Promise<Encoded> {
  const [device, encoder, pass] = [GPUDevice.prototype, GPUCommandEncoder.prototype, GPUComputePassEncoder.prototype];
  const { createCommandEncoder } = device;
  const { beginComputePass } = encoder;
  const { setPipeline, setBindGroup, dispatchWorkgroups } = pass;
  const devices = new WeakMap<GPUCommandEncoder, GPUDevice>();
  const passes: { on: GPUDevice; calls: Call[] }[] = [];
  const listOf = new WeakMap<GPUComputePassEncoder, Call[]>();
  let dispatches = 0;
  device.createCommandEncoder = function (d) {
    const made = createCommandEncoder.call(this, d);
    devices.set(made, this);
    return made;
  };
  encoder.beginComputePass = function (d) {
    const made = beginComputePass.call(this, d);
    const calls: Call[] = [];
    passes.push({ on: devices.get(this)!, calls });
    listOf.set(made, calls);
    return made;
  };
  pass.setPipeline = function (pipeline) {
    listOf.get(this)!.push((p) => p.setPipeline(pipeline));
    return setPipeline.call(this, pipeline);
  };
  // Passing on all arguments serves both of WebGPU's signatures.
  pass.setBindGroup = function (this: GPUComputePassEncoder, ...given: unknown[]) {
    listOf.get(this)!.push((p) => setBindGroup.apply(p, given as Parameters<typeof setBindGroup>));
    return setBindGroup.apply(this, given as Parameters<typeof setBindGroup>);
  } as typeof setBindGroup;
  pass.dispatchWorkgroups = function (x, y = 1, z = 1) {
    dispatches++;
    listOf.get(this)!.push((p) => p.dispatchWorkgroups(x, y, z));
    return dispatchWorkgroups.call(this, x, y, z);
  };
  try {
    await step();
  } finally {
    Object.assign(device, { createCommandEncoder });
    Object.assign(encoder, { beginComputePass });
    Object.assign(pass, { setPipeline, setBindGroup, dispatchWorkgroups });
  }
  return {
    dispatches,
    again() {
      for (const { on, calls } of passes) {
        const commands = on.createCommandEncoder();
        const p = commands.beginComputePass();
        for (const call of calls) call(p);
        p.end();
        on.queue.submit([commands.finish()]);
      }
    },
  };
}
