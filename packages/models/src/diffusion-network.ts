import type { Context } from "./attention.ts";
import type { UNet } from "./unet.ts";

/**
 * What predicts noise: a UNet or a transformer. If it has a `project`, that turns a text encoder's context into the one its cross-attention
 * reads. A call applies it to its own context; guidance has to apply it to any other, such as the negative's.
 */
export type DiffusionNetwork = UNet & { readonly project?: (context: Context) => Context };

/** A network of its two parts. */
export const diffusionNetwork = (predict: UNet, project?: DiffusionNetwork["project"]): DiffusionNetwork =>
  project ? Object.assign(predict, { project }) : predict;
