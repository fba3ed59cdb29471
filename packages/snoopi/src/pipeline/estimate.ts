import { type DryDevice, type DType, empty, keep } from "@snoopi/core";
import { init, latentDecoder, params } from "@snoopi/models";
import { decodeImage, type Stage, sample } from "./generate.ts";
import type { LoadedModel } from "./load.ts";
import type { OpenModel } from "./open.ts";
import { planOf, type Request } from "./request.ts";
import type { ModelShape, Network } from "./shape.ts";

/** The dtype of a network's parameters in memory, by their names. */
export type DTypeOf = (component: Network["component"], parameter: string) => DType;

export interface Estimate {
  /** Bytes of all weights. */
  readonly weightBytes: number;
  /** The most that weights and activations hold at once while the picture is made. */
  readonly peakBytes: number;
  /** What a device that keeps buffers for reuse takes from the system for that. */
  readonly deviceBytes: number;
  /** Floating-point operations of text, steps and decoder. */
  readonly flops: number;
}

/**
 * What making a picture will take, found by running the whole pipeline on shapes alone: no weights are read, nothing is computed.
 * `device` says how many bytes things take.
 */
export async function estimate(
  model: ModelShape,
  request: Omit<Request, "prompt">,
  { device, dtypeOf = () => "f32" }: { readonly device: DryDevice; readonly dtypeOf?: DTypeOf },
): Promise<Estimate> {
  const whole: OpenModel = { ...model, name: "dry", tokenizer: blankTokenizer(model.text.length), weights: noWeights };
  const from = (component: Network["component"]) =>
    params(init((path, shape) => keep(empty(shape, { dtype: dtypeOf(component, path), device }))));
  const loaded: LoadedModel = {
    model: whole,
    device,
    encodeText: model.text.build(from(model.text.component)),
    network: model.network.build(from(model.network.component)),
    decode: latentDecoder(from("vae"), model.vae),
    [Symbol.dispose]() {},
  };
  const weightBytes = device.memory().bytes;
  const plan = planOf(whole, { ...request, prompt: "a" });
  // Steps are alike: two show the memory and cost of all.
  const steps = Math.min(plan.steps, 2);
  let forText = 0;
  const onProgress = (stage: Stage) => {
    if (stage === "text") forText = device.flops;
  };
  const latents = await sample(loaded, { ...plan, steps }, { onProgress });
  const forSteps = device.flops - forText;
  device.trim();
  const image = await decodeImage(loaded, latents);
  image.dispose();
  latents.dispose();
  const { peakBytes, peakDeviceBytes } = device.memory();
  return { weightBytes, peakBytes, deviceBytes: peakDeviceBytes, flops: device.flops + forSteps * (plan.steps / steps - 1) };
}

function blankTokenizer(maxLength: number): OpenModel["tokenizer"] {
  const encode = () => ({ ids: new Int32Array(maxLength), length: maxLength, truncated: 0 });
  return { maxLength, vocabSize: 1, padId: 0, encode };
}

function noWeights(): never {
  throw new Error("a dry run has no weights");
}
