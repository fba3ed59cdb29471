import type { AttrsOf, KernelOpName } from "@snoopi/core";
import { attention } from "./attention.ts";
import { attentionGradKeyValue, attentionGradQuery } from "./attention-grad.ts";
import { concat } from "./concat.ts";
import { conv2d } from "./conv2d.ts";
import { conv2dInputGrad, conv2dWeightGrad } from "./conv2d-grad.ts";
import { embedding, scatterAdd } from "./gather.ts";
import { geglu, gegluGrad } from "./geglu.ts";
import type { Lowering } from "./lowering.ts";
import { matmul } from "./matmul.ts";
import { pad } from "./movement.ts";
import { groupNorm, layerNorm } from "./norm.ts";
import { groupNormGrad, groupNormSums, layerNormAffineGrad, layerNormGrad, moments } from "./norm-grad.ts";
import { random } from "./random.ts";
import { reduction } from "./reduce.ts";
import { resize, resizeGrad } from "./resize.ts";
import { softmax, softmaxGrad } from "./softmax.ts";

/** Every op that needs a kernel of its own. Leaving one out is a type error. */
export const lowerings: { readonly [K in KernelOpName]: Lowering<AttrsOf<K>> } = {
  attention,
  attentionGradQuery,
  attentionGradKeyValue,
  matmul,
  conv2d,
  conv2dInputGrad,
  conv2dWeightGrad,
  groupNorm,
  layerNorm,
  moments,
  groupNormSums,
  groupNormGrad,
  layerNormGrad,
  layerNormAffineGrad,
  softmax,
  softmaxGrad,
  sum: reduction("sum"),
  amax: reduction("amax"),
  resize,
  resizeGrad,
  geglu,
  gegluGrad,
  embedding,
  scatterAdd,
  concat,
  pad,
  random,
};
