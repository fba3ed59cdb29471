import { add, div, gelu, mul, OpError, relu, resize, show, silu, sub, type Tensor, tanh } from "@snoopi/core";
import type { TinyVaeConfig } from "./checkpoint/config-vae-tiny.ts";
import { conv2d } from "./layers.ts";
import type { Params } from "./params.ts";

// TAESD, Ollin Boer Bohan's tiny autoencoder: 3×3 convolutions without norms or attention. Its latents are those of the UNet, not of the VAE
// that it was distilled from. Parameters are named as in diffusers, whose `layers` count activations and resizings too.

/** The part of a checkpoint's parsed config that shapes the network. */
export type TinyVaeSizes = Omit<
  TinyVaeConfig,
  "className" | "latentMagnitude" | "latentShift" | "scalingFactor" | "shiftFactor" | "ignored"
>;

const activations = { relu, silu, gelu } as const;

type Activation = (x: Tensor) => Tensor;

/** Three convolutions and a skip connection; their sum goes through a ReLU whatever the config says. */
function block(p: Params, width: number, act: Activation) {
  const [first, second, third] = [0, 2, 4].map((i) => conv2d(p.at(`conv.${i}`), width, width, { padding: 1 }));
  return (x: Tensor): Tensor => relu(add(third(act(second(act(first(x))))), x));
}

const run = (layers: readonly ((x: Tensor) => Tensor)[], x: Tensor): Tensor => layers.reduce((h, layer) => layer(h), x);

/** Images `[B, 3, H, W]` in −1 … 1 to latents `[B, C, H/8, W/8]` as the UNet takes them, for four stages. */
export function tinyVaeEncoder(p: Params, config: TinyVaeSizes) {
  const { inChannels, encoderBlockOutChannels: widths, numEncoderBlocks: blocks, latentChannels } = config;
  const act: Activation = activations[config.actFn];
  const layers: ((x: Tensor) => Tensor)[] = [];
  const next = () => p.at(`encoder.layers.${layers.length}`);
  for (const [i, width] of widths.entries()) {
    layers.push(
      i === 0
        ? conv2d(next(), inChannels, width, { padding: 1 }) //             [B, width, H, W]
        : conv2d(next(), width, width, { padding: 1, stride: 2, bias: false }), // half of it
    );
    for (let j = 0; j < blocks[i]; j++) layers.push(block(next(), width, act));
  }
  layers.push(conv2d(next(), widths[0], latentChannels, { padding: 1 })); //       [B, C, H/8, W/8]
  return (x: Tensor): Tensor => {
    checkChannels("tinyVaeEncoder", x, inChannels);
    return run(layers, div(add(x, 1), 2));
  };
}

/** Latents `[B, C, h, w]` of the UNet to images `[B, 3, 8h, 8w]` around −1 … 1, for four stages. Latents are squashed to −3 … 3. */
export function tinyVaeDecoder(p: Params, config: TinyVaeSizes) {
  const { outChannels, decoderBlockOutChannels: widths, numDecoderBlocks: blocks, latentChannels } = config;
  const factor = config.upsamplingScalingFactor;
  const act: Activation = activations[config.actFn];
  const layers: ((x: Tensor) => Tensor)[] = [];
  const next = () => p.at(`decoder.layers.${layers.length}`);
  layers.push(conv2d(next(), latentChannels, widths[0], { padding: 1 }), act); // [B, width, h, w]
  for (const [i, width] of widths.entries()) {
    for (let j = 0; j < blocks[i]; j++) layers.push(block(next(), width, act));
    if (i === widths.length - 1) {
      layers.push(conv2d(next(), width, outChannels, { padding: 1 })); //         [B, 3, 8h, 8w]
    } else {
      layers.push((x) => resize(x, [factor * x.shape[2], factor * x.shape[3]])); // twice of it
      layers.push(conv2d(next(), width, width, { padding: 1, bias: false }));
    }
  }
  return (z: Tensor): Tensor => {
    checkChannels("tinyVaeDecoder", z, latentChannels);
    return sub(mul(run(layers, mul(tanh(div(z, 3)), 3)), 2), 1);
  };
}

/** Both halves of diffusers' `AutoencoderTiny`. */
export const autoencoderTiny = (p: Params, config: TinyVaeSizes) => ({
  encode: tinyVaeEncoder(p, config),
  decode: tinyVaeDecoder(p, config),
});

function checkChannels(what: string, x: Tensor, channels: number): void {
  if (x.rank === 4 && x.shape[1] === channels) return;
  throw new OpError(what, `the input is ${show(x.shape)}, expected [batch, ${channels}, height, width]`);
}
