import type { AttrsOf, OpName } from "@snoopi/core";
import { attentionGrad } from "./attention-grad.ts";
import { backward } from "./backward.ts";
import { arithmetic, cast, where } from "./elementwise.ts";
import { movement } from "./movement.ts";
import { product } from "./product.ts";
import { reduction } from "./reduction.ts";
import type { Samples } from "./sample.ts";

/** Every op's samples. A missing row is a type error. */
export const samples: { readonly [K in OpName]: Samples<AttrsOf<K>> } = {
  ...arithmetic,
  where,
  cast,
  ...movement,
  ...reduction,
  ...product,
  ...backward,
  ...attentionGrad,
};
