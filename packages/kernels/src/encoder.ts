import { DeviceLostError, type DType, OutOfMemoryError, SnoopiError } from "@snoopi/core";
import { type Groups, gridOf, isEmpty, type Kernel, writeParams } from "./kernel.ts";
import { type Pipeline, Pipelines } from "./pipelines.ts";
import type { Block } from "./pool.ts";

/** A block as a kernel sees it: all of it, or `bytes` from `offset`, a multiple of 256. */
export interface Bound {
  readonly block: Block;
  readonly dtype: DType;
  readonly offset?: number;
  readonly bytes?: number;
}

/** One dispatch: a kernel, what it reads and writes, and the numbers it is given. */
export interface Launch {
  readonly kernel: Kernel;
  readonly inputs: readonly Bound[];
  readonly out: { readonly block: Block; readonly dtype: DType };
  /** Where a kernel with further results writes them. */
  readonly extras?: readonly Bound[];
  readonly consts?: Readonly<Record<string, number>>;
  readonly params: Readonly<Record<string, number>>;
  readonly groups: Groups;
}

/** Launches prepared to be encoded many times. */
export interface Replay {
  readonly dispatches: number;
  /** Encodes the launches after whatever was encoded before, and submits where the collected calls did. */
  encode(): void;
  destroy(): void;
}

/** Most bind groups kept for later launches; a large step has some ten thousand launches. */
const mostKept = 10_000;

/** Parameter slots per submit, one per launch, and their size: WebGPU aligns dynamic offsets to 256 bytes. */
const slots = 512;
const slotBytes = 512;

/** Encodes launches into one compute pass, and submits them in order. */
export class Encoder {
  readonly #device: GPUDevice;
  readonly #maxBinding: number;
  readonly #boundAnother: () => void;
  readonly pipelines: Pipelines;
  readonly #uniforms: GPUBuffer;
  readonly #staging = new DataView(new ArrayBuffer(slots * slotBytes));
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  #commands: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #used = 0;
  #serial = 0;
  #checks: Promise<GPUError | null>[] = [];
  #collected: (Launch | "submit")[] | undefined;
  #lost: GPUDeviceLostInfo | undefined;

  /** `boundAnother` is called for every bind group made: only garbage collection frees them. */
  constructor(device: GPUDevice, maxBinding: number, boundAnother: () => void = () => {}) {
    this.#device = device;
    this.#maxBinding = maxBinding;
    this.#boundAnother = boundAnother;
    this.pipelines = new Pipelines(device);
    this.#uniforms = device.createBuffer({ size: slots * slotBytes, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    void device.lost.then((info) => {
      this.#lost = info;
    });
  }

  /** Identifies the submit that launches now go into. */
  get serial(): number {
    return this.#serial;
  }

  /** Collects the launches that `calls` would make, without making them, and where it submits. */
  collect(calls: () => void): (Launch | "submit")[] {
    const collected: (Launch | "submit")[] = [];
    this.#collected = collected;
    try {
      calls();
    } finally {
      this.#collected = undefined;
    }
    return collected;
  }

  /** Prepares launches to be made many times: every binding and parameter is in place. */
  prepare(steps: readonly (Launch | "submit")[]): Replay {
    const launches = steps.filter((step) => step !== "submit");
    const uniforms = this.#device.createBuffer({
      size: Math.max(1, launches.length) * slotBytes,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    const staging = new DataView(new ArrayBuffer(launches.length * slotBytes));
    const groups = new Map<string, GPUBindGroup>();
    const foreign = new Set<Pipeline>();
    const blocks = new Set<Block>();
    let slot = 0;
    const ready = steps.map((step) => {
      if (step === "submit") return step;
      const { made, bound } = this.#resolve(step);
      if (step.kernel.foreign) foreign.add(made);
      for (const { block } of bound) blocks.add(block);
      const at = slot++ * slotBytes;
      writeParams(step.kernel, step.params, staging, at);
      const key = keyOf(bound, step.extras?.length ?? 0);
      const bindGroup = groups.get(key) ?? this.#createBindGroup(made.layout, bound, uniforms);
      groups.set(key, bindGroup);
      return { pipeline: made.pipeline, bindGroup, offsets: [at], grid: gridOf(step.groups) };
    });
    if (launches.length) this.#device.queue.writeBuffer(uniforms, 0, staging.buffer);
    const encode = () => {
      this.#alive();
      for (const { failure } of foreign) if (failure) throw failure;
      let pass = this.#open();
      let last: GPUComputePipeline | undefined;
      for (const step of ready) {
        if (step === "submit") {
          this.submit();
          pass = this.#open();
          last = undefined;
          continue;
        }
        if (step.pipeline !== last) pass.setPipeline(step.pipeline);
        last = step.pipeline;
        pass.setBindGroup(0, step.bindGroup, step.offsets);
        pass.dispatchWorkgroups(...step.grid);
      }
      for (const block of blocks) block.usedBy = this.#serial;
    };
    return { dispatches: launches.length, encode, destroy: () => uniforms.destroy() };
  }

  launch(launch: Launch): void {
    this.#alive();
    if (isEmpty(launch.groups)) return;
    if (this.#collected) {
      this.#collected.push(launch);
      return;
    }
    const { kernel, extras = [], params, groups } = launch;
    const pass = this.#open();
    const { made, bound } = this.#resolve(launch);
    for (const { block } of bound) block.usedBy = this.#serial;
    const at = this.#used++ * slotBytes;
    writeParams(kernel, params, this.#staging, at);
    pass.setPipeline(made.pipeline);
    pass.setBindGroup(0, this.#bind(made.layout, bound, extras.length), [at]);
    pass.dispatchWorkgroups(...gridOf(groups));
    if (this.#used === slots) this.submit();
  }

  #resolve({ kernel, inputs, out, extras = [], consts = {} }: Launch) {
    const dtypes = inputs.concat(extras).map((x) => x.dtype);
    const made = this.pipelines.get(kernel, dtypes, out.dtype, consts);
    if (made.failure) throw made.failure;
    const bound: Bound[] = [...inputs, out, ...extras];
    const large = bound.find((b) => (b.bytes ?? b.block.bytes) > this.#maxBinding);
    if (large) {
      throw new OutOfMemoryError(
        `webgpu: ${kernel.name} needs ${large.bytes ?? large.block.bytes} bytes in one binding, and this device binds ${this.#maxBinding}. Use a smaller batch or size.`,
      );
    }
    return { made, bound };
  }

  /** Copies the first bytes of a block over those of another, in order with the launches. */
  transfer(from: Block, to: Block, bytes: number): void {
    from.usedBy = to.usedBy = this.#serial;
    this.copy(from, to.buffer, bytes);
  }

  copy(from: Block, to: GPUBuffer, bytes: number): void {
    this.#alive();
    this.#endPass();
    this.#begin().copyBufferToBuffer(from.buffer, 0, to, 0, bytes);
  }

  submit(): void {
    if (this.#collected) {
      this.#collected.push("submit");
      return;
    }
    if (!this.#commands) return;
    this.#endPass();
    if (this.#used) this.#device.queue.writeBuffer(this.#uniforms, 0, this.#staging.buffer, 0, this.#used * slotBytes);
    this.#device.queue.submit([this.#commands.finish()]);
    this.#commands = undefined;
    this.#used = 0;
    this.#serial++;
    this.#checks.push(this.#device.popErrorScope(), this.#device.popErrorScope());
  }

  /** Throws what went wrong in anything submitted: a dropped submit would otherwise read as zeros. */
  async check(): Promise<void> {
    const checks = this.#checks.splice(0);
    for (const error of await Promise.all(checks)) {
      if (!error) continue;
      if (typeof GPUOutOfMemoryError !== "undefined" && error instanceof GPUOutOfMemoryError) {
        throw new OutOfMemoryError(`webgpu: out of memory. ${error.message} Use a smaller batch or size.`);
      }
      await this.pipelines.settle();
      throw this.pipelines.failureIn(error.message) ?? new SnoopiError(`webgpu: the device refused a submit. ${error.message}`);
    }
    this.#alive();
  }

  /** Drops the cached bind groups: some of their buffers are about to be destroyed. */
  forget(): void {
    this.#bindGroups.clear();
  }

  #alive(): void {
    if (this.#lost) throw new DeviceLostError(`webgpu: the device was lost (${this.#lost.reason}). ${this.#lost.message}`);
  }

  #begin(): GPUCommandEncoder {
    if (!this.#commands) {
      this.#device.pushErrorScope("out-of-memory");
      this.#device.pushErrorScope("validation");
      this.#commands = this.#device.createCommandEncoder();
    }
    return this.#commands;
  }

  #open(): GPUComputePassEncoder {
    this.#pass ??= this.#begin().beginComputePass();
    return this.#pass;
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }

  #bind(layout: GPUBindGroupLayout, bound: readonly Bound[], extras: number): GPUBindGroup {
    const key = keyOf(bound, extras);
    let group = this.#bindGroups.get(key);
    if (!group) {
      group = this.#createBindGroup(layout, bound, this.#uniforms);
      if (this.#bindGroups.size >= mostKept) this.#bindGroups.clear();
      this.#bindGroups.set(key, group);
    }
    return group;
  }

  #createBindGroup(layout: GPUBindGroupLayout, bound: readonly Bound[], uniforms: GPUBuffer): GPUBindGroup {
    const resources = bound.map(({ block, offset, bytes }) => ({ buffer: block.buffer, offset: offset ?? 0, size: bytes ?? block.bytes }));
    this.#boundAnother();
    const entries = [...resources, { buffer: uniforms, size: slotBytes }].map((resource, binding) => ({ binding, resource }));
    return this.#device.createBindGroup({ layout, entries });
  }
}

/** Cache key of a bind group: what is bound, and how many of these are further results. */
const keyOf = (bound: readonly Bound[], extras: number): string =>
  (extras ? `${extras},` : "") + bound.map((b) => (b.bytes === undefined ? b.block.id : `${b.block.id}:${b.offset}:${b.bytes}`)).join(",");
