import type { Context } from "./attention.ts";
import type { UNet } from "./unet.ts";

/**
 * What predicts noise: a UNet or a transformer. Where it has a `project`, that makes of a text encoder's context the one that its cross-attention
 * reads, as a call does with its own: what guidance holds beside it goes through it first.
 */
export type DiffusionNetwork = UNet & { readonly project?: (context: Context) => Context };

/** A network of its two parts. */
export const diffusionNetwork = (predict: UNet, project?: DiffusionNetwork["project"]): DiffusionNetwork =>
  project ? Object.assign(predict, { project }) : predict;
