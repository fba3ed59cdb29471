import { add, cast, OpError, permute, reshape, scope, show, type Tensor } from "@snoopi/core";
import type { Context } from "./attention.ts";
import { type PixArtConfig, pixartWidth } from "./checkpoint/config-pixart.ts";
import { conv2d, linear } from "./layers.ts";
import type { Params } from "./params.ts";
import { modulated, parts, pixartBlock } from "./pixart/block.ts";
import { captionProjection } from "./pixart/captions.ts";
import { adaLayerNormSingle, type PictureSize } from "./pixart/conditions.ts";
import { positions } from "./pixart/positions.ts";
import { checkSteps, type Timestep } from "./unet/timestep.ts";
import type { UNetOptions } from "./unet.ts";

/** The part of a config that makes the network. */
export type PixArtSizes = Omit<PixArtConfig, "ignored">;

export interface PixArtOptions extends UNetOptions {
  /** Height and width of the pictures in pixels: required with `useAdditionalConditions`, otherwise ignored. */
  readonly size?: PictureSize;
}

export interface PixArt {
  /**
   * `x [B, inChannels, H, W]`, a timestep and a text encoder's states → `[B, outChannels, H, W]`: the noise the network was trained to predict
   * and, where there are twice as many channels, a variance in the second half. A `UNet` as far as callers can tell.
   */
  (x: Tensor, t: Timestep, context: Context, options?: PixArtOptions): Tensor;
  /**
   * Turns a text encoder's states into the context that cross-attention layers read and `attend` gets: tokens
   * `[1 or B, L, captionChannels]` and a mask `[1 or B, L]`, 1 where a token counts. A call does this with its own context; a negative
   * prompt for guidance has to go through it first, once for all layers.
   */
  readonly project: (context: Context) => Context;
}

/** diffusers' `PixArtTransformer2DModel` (PixArt-α and PixArt-Σ), with its parameter names. Any H and W that are multiples of `patchSize`. */
export function pixart(p: Params, config: PixArtSizes): PixArt {
  const { patchSize: patch, inChannels, outChannels, crossAttentionDim: contextWidth, interpolationScale } = config;
  const width = pixartWidth(config);
  const base = Math.floor(config.sampleSize / patch);
  const sizes = { width, contextWidth, heads: config.numAttentionHeads, eps: config.normEps, bias: config.attentionBias };

  const embedPatches = conv2d(p.at("pos_embed.proj"), inChannels, width, { kernel: patch, stride: patch });
  const condition = adaLayerNormSingle(p.at("adaln_single"), width, { sized: config.useAdditionalConditions });
  const project = captionProjection(p.at("caption_projection"), { channels: config.captionChannels, width: contextWidth });
  const blocks = Array.from({ length: config.numLayers }, (_, i) => pixartBlock(p.at(`transformer_blocks.${i}`), sizes));
  const table = p.get("scale_shift_table", [2, width]);
  const toPatches = linear(p.at("proj_out"), width, patch * patch * outChannels);

  const predict = (x: Tensor, t: Timestep, context: Context, { attend, checkpoint, size }: PixArtOptions = {}): Tensor =>
    scope(() => {
      checkInputs(x, t, context, config);
      const { device } = x;
      const { embedded, modulation } = condition(t, { size, device });
      const around = { modulation, context: project(context), attend, checkpoint };
      const patches = permute(embedPatches(x), [0, 2, 3, 1]); //                       [B, H / patch, W / patch, width]
      const [batch, rows, columns] = patches.shape;
      const places = positions([rows, columns], { width, base, interpolationScale, device });
      let h = reshape(add(patches, cast(places, patches.dtype)), [batch, -1, width]); // [B, rows · columns, width]
      for (const block of blocks) h = block(h, around);
      const [shift, scale] = parts(table, embedded, h);
      const out = toPatches(modulated(h, { eps: 1e-6, shift, scale })); //              [B, rows · columns, patch² · outChannels]
      const apart = reshape(out, [batch, rows, columns, patch, patch, outChannels]);
      return reshape(permute(apart, [0, 5, 1, 3, 2, 4]), [batch, outChannels, rows * patch, columns * patch]);
    });
  return Object.assign(predict, { project });
}

function checkInputs(x: Tensor, t: Timestep, { tokens, mask }: Context, { inChannels, patchSize }: PixArtSizes): void {
  if (x.rank !== 4 || x.shape[1] !== inChannels) {
    throw new OpError("pixart", `x is ${show(x.shape)}, expected [B, ${inChannels}, H, W]`);
  }
  const [batch, , height, width] = x.shape;
  if (height % patchSize !== 0 || width % patchSize !== 0) {
    throw new OpError(
      "pixart",
      `x is ${show(x.shape)}, expected a height and a width that are multiples of ${patchSize}, the patch's side`,
    );
  }
  for (const [what, { shape }] of [["tokens are", tokens] as const, ...(mask ? [["mask is", mask] as const] : [])]) {
    if (shape[0] !== 1 && shape[0] !== batch) {
      throw new OpError(
        "pixart",
        `the context's ${what} ${show(shape)}, expected 1${batch === 1 ? "" : ` or ${batch}`} along the first axis`,
      );
    }
  }
  checkSteps("pixart", t, batch);
}
