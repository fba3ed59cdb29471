import { type Device, foldIn, keep, keyFromSeed, normal, type Shape, type Tensor, uniform } from "@snoopi/core";
import { adamw, ema } from "@snoopi/core/optim";
import { adapters, load, manifest, params, unet, unetConfig } from "@snoopi/models";
import { type Distillation, type DistillMethod, ddimDefaults, noiseSchedule, processOf, teachersOf } from "@snoopi/snoopi";

const config = unetConfig({
  _class_name: "UNet2DConditionModel",
  attention_head_dim: 2,
  block_out_channels: [4, 4],
  cross_attention_dim: 6,
  down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
  in_channels: 4,
  out_channels: 4,
  layers_per_block: 1,
  norm_num_groups: 2,
  sample_size: 4,
});
const shapes = manifest((p) => unet(p, config));
const process = processOf(noiseSchedule({ ...ddimDefaults, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" }));

/** The shape of a batch of two. */
export const latentShape = [2, 4, 4, 4];

export const tinyPrompts = (device: Device) => {
  const context = (key: number, shape: Shape) => ({ tokens: normal(shape, { key, device }) });
  return { text: context(21, [2, 3, 6]), nullText: context(22, [1, 3, 6]), negative: context(23, [1, 5, 6]) };
};

/** Norms' weights are around one, others are scaled by the size of their input. */
function weights(seed: number, device: Device): Map<string, Tensor> {
  const draw = (name: string, shape: Shape, i: number) => {
    const drawn = uniform(shape, { key: foldIn(keyFromSeed(seed), i), device }).sub(0.5);
    if (shape.length === 1) return drawn.mul(0.2).add(name.endsWith(".weight") ? 1 : 0);
    return drawn.mul(2 / Math.sqrt(shape.slice(1).reduce((n, d) => n * d, 1)));
  };
  return new Map([...shapes].map(([name, shape], i) => [name, keep(draw(name, shape, i))]));
}

export interface TinyOptions {
  readonly device: Device;
  /** Whether the device counts the steps. */
  readonly gated?: boolean;
  readonly timesteps?: readonly number[];
}

/** A distillation of a UNet of six thousand parameters, whose LoRA teacher has learned something. */
export function tinyDistillation(method: DistillMethod, { device, gated = false, timesteps }: TinyOptions) {
  const [base, own] = [weights(1, device), weights(2, device)];
  const lora = adapters();
  const network = unet(lora.wrap(params(load(base))), config);
  lora.add("pi", { rank: 2, alpha: 4, match: [/to_[qv]$/], key: 3, device });
  const adapter = lora.tensors("pi");
  // A new adapter adds nothing, and the student's gradient would be nothing as well.
  for (const [name, t] of adapter) if (name.endsWith("lora_B.weight")) t.assign(normal(t.shape, { key: 4, device }));
  const distillation: Distillation = {
    method,
    process,
    student: {
      network: unet(params(load(own)), config),
      prediction: "epsilon",
      parameters: own,
      optimizer: adamw(own, { lr: 1e-3, weightDecay: 0, gated }),
      ema: ema(own, { gated }),
      ...(timesteps && { timesteps }),
    },
    teachers: { ...teachersOf(network, lora, "pi"), prediction: "epsilon" },
    loraTeacher: { parameters: adapter, optimizer: adamw(adapter, { lr: 1e-3, weightDecay: 0, gated, packed: gated }) },
  };
  return { distillation, own, adapter };
}
