import { mean, OpError, show, type Tensor } from "@snoopi/core";
import { linear } from "../layers.ts";
import type { Params } from "../params.ts";
import { type Block, blockA, blockB, blockC, blockD, blockE, inceptionBlock } from "./blocks.ts";
import { convNormRelu, type Folded } from "./layer.ts";
import { maxPoolHalf } from "./pool.ts";

/** The network's outputs for pictures. Each is computed only if it is read. */
export interface InceptionOutput {
  /** `[B, 2048]`: the last block, averaged over all positions. The features of FID, there called pool_3. */
  readonly features: Tensor;
  /** `[B, 1008]`: scores of TensorFlow's classes, before the softmax. */
  readonly logits: Tensor;
}

export interface Inception {
  (pictures: Tensor): InceptionOutput;
  /** The convolutions with their norms folded in. Once they are realised, the parameters they were made from are not read again. */
  readonly folded: readonly Folded[];
}

/** The smallest side that reaches the last block. */
const least = 75;

/**
 * Inception-v3 as FID uses it: the network of TensorFlow's `inception-2015-12-05`, in the layout that pytorch-fid published, which is
 * torchvision's `Inception3` without its auxiliary head. It differs from torchvision's in its weights, in mean pools that do not count the
 * padding, and in a max pool instead of a mean pool in the last block.
 *
 * Takes pictures `[B, 3, H, W]` from −1 to 1, at 299 × 299 for features that compare with anyone's.
 */
export function inceptionV3(p: Params): Inception {
  const folded: Folded[] = [];
  const conv = (name: string, width: number, out: number, { kernel = 3, stride = 1, padding = 0 } = {}) =>
    convNormRelu(p.at(name), { width, out, kernel: [kernel, kernel], stride, padding: [padding, padding] }, folded);
  // Output channels × side, for pictures of 299 × 299.
  const steps: ((x: Tensor) => Tensor)[] = [
    conv("Conv2d_1a_3x3", 3, 32, { stride: 2 }), //                 32 × 149
    conv("Conv2d_2a_3x3", 32, 32), //                               32 × 147
    conv("Conv2d_2b_3x3", 32, 64, { padding: 1 }), //               64 × 147
    maxPoolHalf, //                                                 64 × 73
    conv("Conv2d_3b_1x1", 64, 80, { kernel: 1 }), //                80 × 73
    conv("Conv2d_4a_3x3", 80, 192), //                             192 × 71
    maxPoolHalf, //                                                192 × 35
  ];
  const blocks: readonly (readonly [name: string, block: Block])[] = [
    ["Mixed_5b", blockA(32)], //                                   256 × 35
    ["Mixed_5c", blockA(64)], //                                   288 × 35
    ["Mixed_5d", blockA(64)], //                                   288 × 35
    ["Mixed_6a", blockB], //                                       768 × 17
    ["Mixed_6b", blockC(128)], //                                  768 × 17
    ["Mixed_6c", blockC(160)], //                                  768 × 17
    ["Mixed_6d", blockC(160)], //                                  768 × 17
    ["Mixed_6e", blockC(192)], //                                  768 × 17
    ["Mixed_7a", blockD], //                                      1280 × 8
    ["Mixed_7b", blockE("mean")], //                              2048 × 8
    ["Mixed_7c", blockE("largest")], //                           2048 × 8
  ];
  let width = 192;
  for (const [name, block] of blocks) {
    const { out, run } = inceptionBlock(p.at(name), { width, block, folded });
    steps.push(run);
    width = out;
  }
  const classify = linear(p.at("fc"), width, 1008);

  const run = (pictures: Tensor): InceptionOutput => {
    const [, channels, height, side] = pictures.shape;
    if (pictures.rank !== 4 || channels !== 3 || height < least || side < least) {
      throw new OpError("inceptionV3", `pictures are ${show(pictures.shape)}, expected [batch, 3, at least ${least}, at least ${least}]`);
    }
    const features = mean(
      steps.reduce((h, step) => step(h), pictures),
      { axis: [2, 3] },
    );
    return { features, logits: classify(features) };
  };
  return Object.assign(run, { folded });
}
