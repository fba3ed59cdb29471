import type { AttrsOf, KernelOpName } from "@snoopi/core";
import { attention } from "./attention.ts";
import { conv2d } from "./conv2d.ts";
import { conv2dInputGrad, conv2dWeightGrad } from "./conv2d-grad.ts";
import { embedding, scatterAdd } from "./gather.ts";
import type { Lowering } from "./lowering.ts";
import { matmul } from "./matmul.ts";
import { concat, pad } from "./movement.ts";
import { groupNorm, layerNorm } from "./norm.ts";
import { random } from "./random.ts";
import { reduction } from "./reduce.ts";
import { resize } from "./resize.ts";
import { softmax } from "./softmax.ts";

/** Every op that needs a kernel of its own. Leaving one out is a type error. */
export const lowerings: { readonly [K in KernelOpName]: Lowering<AttrsOf<K>> } = {
  attention,
  matmul,
  conv2d,
  conv2dInputGrad,
  conv2dWeightGrad,
  groupNorm,
  layerNorm,
  softmax,
  sum: reduction("sum"),
  amax: reduction("amax"),
  resize,
  embedding,
  scatterAdd,
  concat,
  pad,
  random,
};
