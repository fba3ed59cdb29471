import { OpError, scope, show, silu, type Tensor } from "@snoopi/core";
import type { Attend, Context } from "./attention.ts";
import type { UNetConfig } from "./checkpoint/config-unet.ts";
import { conv2d, groupNorm } from "./layers.ts";
import type { Params } from "./params.ts";
import { downBlock, midBlock, upBlock } from "./unet/blocks.ts";
import { checkSteps, sinusoid, type Timestep, timestepEmbedding } from "./unet/timestep.ts";
import type { TransformerSizes } from "./unet/transformer.ts";

/** The part of a config that makes the network. */
export type UNetSizes = Omit<UNetConfig, "ignored" | "sampleSize" | "actFn"> & {
  /** How time enters the second norm of a resnet: added to its input (`"default"`, the default), or scaling and shifting its output. */
  readonly resnetTimeScaleShift?: "default" | "scale_shift";
};

export interface UNetOptions {
  /**
   * What cross-attention layers do with their queries: `plain` unless a guidance method is given. It runs in a scope that ends with the
   * call, so what it wants to remember it must `keep`.
   */
  readonly attend?: Attend;
  /**
   * Whether a backward pass recomputes every resnet with its transformer from its inputs, so that only these are kept: about a third more
   * time, and far less memory. `attend` is called again as well. Gradients are the same. Default false.
   */
  readonly checkpoint?: boolean;
}

/**
 * `x [B, inChannels, H, W]`, a timestep and a context of tokens `[1 or B, L, crossAttentionDim]` → `[B, outChannels, H, W]`: the noise
 * or velocity the network was trained to predict.
 */
export type UNet = (x: Tensor, t: Timestep, context: Context, options?: UNetOptions) => Tensor;

/**
 * diffusers' `UNet2DConditionModel` in the configurations of Stable Diffusion 1 and 2, with its parameter names. Any H and W ≥ 1:
 * odd sizes round up on the way down and come back on the way up.
 */
export function unet(p: Params, config: UNetSizes): UNet {
  const { blockOutChannels: widths, normNumGroups: groups, normEps: eps } = config;
  const [first, last] = [widths[0], widths.length - 1];
  const time = 4 * first;
  const resnet = { time, timeScaleShift: config.resnetTimeScaleShift ?? "default", groups, eps };
  const transformer = (block: number): TransformerSizes => ({
    heads: config.attentionHeadDim[block],
    layers: config.transformerLayersPerBlock[block],
    contextWidth: config.crossAttentionDim,
    linearProjection: config.useLinearProjection,
    groups,
  });
  const window = (kernel: number) => ({ kernel, padding: Math.floor((kernel - 1) / 2) });

  const embedTime = timestepEmbedding(p.at("time_embedding"), first, time);
  const convIn = conv2d(p.at("conv_in"), config.inChannels, first, window(config.convInKernel));

  // Widths of the skip connections in the order they are made: up blocks take them from the end.
  const skipWidths = [first];
  const down = widths.map((out, i) => {
    const [layers, halves] = [config.layersPerBlock[i], i < last];
    skipWidths.push(...new Array<number>(layers + (halves ? 1 : 0)).fill(out));
    return downBlock(p.at(`down_blocks.${i}`), {
      width: i === 0 ? first : widths[i - 1],
      out,
      layers,
      resnet,
      transformer: config.downBlockTypes[i] === "CrossAttnDownBlock2D" ? transformer(i) : undefined,
      downsample: halves ? { padding: config.downsamplePadding } : undefined,
    });
  });

  const middle =
    config.midBlockType &&
    midBlock(p.at("mid_block"), {
      width: widths[last],
      resnet: { ...resnet, scaleFactor: config.midBlockScaleFactor },
      transformer: transformer(last),
    });

  const up = widths.map((_, i) => {
    const mirrored = last - i;
    return upBlock(p.at(`up_blocks.${i}`), {
      width: widths[Math.min(mirrored + 1, last)],
      out: widths[mirrored],
      skips: skipWidths.splice(-1 - config.layersPerBlock[mirrored]).reverse(),
      resnet,
      transformer: config.upBlockTypes[i] === "CrossAttnUpBlock2D" ? transformer(mirrored) : undefined,
      upsample: i < last,
    });
  });

  const normOut = groupNorm(p.at("conv_norm_out"), first, { groups, eps });
  const convOut = conv2d(p.at("conv_out"), first, config.outChannels, window(config.convOutKernel));

  return (x, t, context, { attend, checkpoint } = {}) =>
    scope(() => {
      checkInputs(x, t, context, config);
      const { flipSinToCos, freqShift } = config;
      const time = silu(embedTime(sinusoid(t, { width: first, flipSinToCos, freqShift, device: x.device })));
      const around = { time, context, attend, checkpoint };
      let h = convIn(config.centerInputSample ? x.mul(2).sub(1) : x); // [B, first, H, W]
      const skips = [h];
      for (const block of down) {
        skips.push(...block(h, around));
        h = skips.at(-1)!;
      }
      if (middle) h = middle(h, around); //                              [B, widths[last], H / 2^last, W / 2^last]
      for (const block of up) h = block(h, skips, around);
      return convOut(silu(normOut(h))); //                               [B, outChannels, H, W]
    });
}

function checkInputs(x: Tensor, t: Timestep, { tokens }: Context, { inChannels, crossAttentionDim }: UNetSizes): void {
  if (x.rank !== 4 || x.shape[1] !== inChannels) {
    throw new OpError("unet", `x is ${show(x.shape)}, expected [B, ${inChannels}, H, W]`);
  }
  const [batch] = x.shape;
  if (tokens.rank !== 3 || tokens.shape[2] !== crossAttentionDim || (tokens.shape[0] !== 1 && tokens.shape[0] !== batch)) {
    const expected = batch === 1 ? "1" : `1 or ${batch}`;
    throw new OpError("unet", `the context's tokens are ${show(tokens.shape)}, expected [${expected}, L, ${crossAttentionDim}]`);
  }
  checkSteps("unet", t, batch);
}
