import type { Context } from "./attention.ts";
import type { UNet } from "./unet.ts";

/**
 * What predicts noise: a UNet or a transformer. Where it has a `project`, that makes of a text encoder's context the one that its cross-attention
 * reads, as a call does with its own: what guidance holds beside it goes through it first.
 */
export type DiffusionNetwork = UNet & { readonly project?: (context: Context) => Context };

/** Another way to call a network: `around` runs whatever the network does. */
export const calledWithin = (network: DiffusionNetwork, around: <R>(run: () => R) => R): DiffusionNetwork => {
  const call: UNet = (...args) => around(() => network(...args));
  const { project } = network;
  return project ? Object.assign(call, { project: (context: Context) => around(() => project(context)) }) : call;
};
