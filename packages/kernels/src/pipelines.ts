import type { DType } from "@snoopi/core";
import { examine, type WgslError } from "./compilation.ts";
import { type Kernel, source } from "./kernel.ts";

export interface Pipeline {
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** The compile error of a user's kernel, once it is known. */
  failure?: WgslError;
}

/** Compiled kernels, cached by everything that goes into their source. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #layouts = new Map<number, GPUBindGroupLayout>();
  readonly #byKernel = new WeakMap<Kernel, Map<string, Pipeline>>();
  readonly #compiling = new Set<Promise<void>>();
  readonly #failures: WgslError[] = [];
  #count = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get(kernel: Kernel, dtypes: readonly DType[], out: DType, consts: Readonly<Record<string, number>> = {}): Pipeline {
    let variants = this.#byKernel.get(kernel);
    if (!variants) {
      variants = new Map();
      this.#byKernel.set(kernel, variants);
    }
    let key: string = `${dtypes}>${out}`;
    for (const name in consts) key += `,${name}=${consts[name]}`;
    let found = variants.get(key);
    if (!found) {
      found = this.#compile(kernel, source(kernel, dtypes, out, consts));
      variants.set(key, found);
    }
    return found;
  }

  /** Whether a user's kernel is still being compiled or has failed to. */
  get doubtful(): boolean {
    return this.#compiling.size > 0 || this.#failures.length > 0;
  }

  /** Resolves when all users' kernels so far are compiled. Errors are in their pipelines' `failure`. */
  async settle(): Promise<void> {
    await Promise.all(this.#compiling);
  }

  /** The failure that a device's message is about. */
  failureIn(message: string): WgslError | undefined {
    return this.#failures.findLast(({ kernel }) => message.includes(kernel));
  }

  #compile(kernel: Kernel, code: string): Pipeline {
    const device = this.#device;
    const layout = this.#layout(kernel.inputs.length, 1 + (kernel.extras?.length ?? 0));
    if (kernel.foreign) device.pushErrorScope("validation");
    const module = device.createShaderModule({ label: kernel.name, code });
    const pipeline = device.createComputePipeline({
      label: kernel.name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module },
    });
    const made: Pipeline = { id: this.#count++, pipeline, layout };
    if (kernel.foreign) {
      const verdict = examine(kernel, code, module, device.popErrorScope()).then((failure) => {
        this.#compiling.delete(verdict);
        if (!failure) return;
        made.failure = failure;
        this.#failures.push(failure);
      });
      this.#compiling.add(verdict);
    }
    return made;
  }

  /** One layout per number of inputs and of results, so that bind groups are shared between kernels. */
  #layout(inputs: number, outputs: number): GPUBindGroupLayout {
    const key = 16 * inputs + outputs;
    let layout = this.#layouts.get(key);
    if (!layout) {
      const entry = (binding: number, buffer: GPUBufferBindingLayout) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer });
      layout = this.#device.createBindGroupLayout({
        entries: [
          ...Array.from({ length: inputs }, (_, i) => entry(i, { type: "read-only-storage" })),
          ...Array.from({ length: outputs }, (_, i) => entry(inputs + i, { type: "storage" })),
          entry(inputs + outputs, { type: "uniform", hasDynamicOffset: true }),
        ],
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }
}
