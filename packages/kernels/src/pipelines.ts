import type { DType } from "@snoopi/core";
import { type Kernel, source } from "./kernel.ts";

export interface Pipeline {
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Compiled kernels, by everything that is printed into them. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #layouts = new Map<number, GPUBindGroupLayout>();
  readonly #byKernel = new Map<Kernel, Map<string, Pipeline>>();
  #count = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get(kernel: Kernel, dtypes: readonly DType[], out: DType, consts: Readonly<Record<string, number>>): Pipeline {
    let variants = this.#byKernel.get(kernel);
    if (!variants) {
      variants = new Map();
      this.#byKernel.set(kernel, variants);
    }
    let key: string = `${dtypes}>${out}`;
    for (const name in consts) key += `,${name}=${consts[name]}`;
    let found = variants.get(key);
    if (!found) {
      const layout = this.#layout(kernel.inputs.length, kernel.extra ? 2 : 1);
      const module = this.#device.createShaderModule({ label: kernel.name, code: source(kernel, dtypes, out, consts) });
      const pipeline = this.#device.createComputePipeline({
        label: kernel.name,
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module },
      });
      found = { id: this.#count++, pipeline, layout };
      variants.set(key, found);
    }
    return found;
  }

  /** One layout per number of inputs and of results, so that bind groups are shared between kernels. */
  #layout(inputs: number, outputs: 1 | 2): GPUBindGroupLayout {
    const key = 2 * inputs + outputs;
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
