import { abs, amax, cast, greater, mul, noGrad, notEqual, reshape, type Tensor } from "@snoopi/core";
import { type Context, type DiffusionNetwork, diffusionNetwork } from "@snoopi/models";
import type { EncodeIds, TextNetwork } from "./shape.ts";

// A text encoder that hides padding returns tokens and a mask. In training a text is a single tensor, drawn by index, cached on disk and
// passed to a captured program. So there padding tokens are zero, which marks them as padding without a mask.

/** Encodes ids `[B, L]` to tokens, with padding set to zero if the encoder hides it. */
export function withZeroPadding({ masked }: Pick<TextNetwork, "masked">, encode: EncodeIds, padId: number): (ids: Tensor) => Tensor {
  if (!masked) return (ids) => encode(ids);
  return (ids) => {
    const mask = cast(notEqual(ids, padId), "f32");
    return mul(encode(ids, mask), reshape(mask, [...ids.shape, 1]));
  };
}

/** The same network, which takes tokens that are all zero for padding if a context has no mask. */
export function seesZeroPadding(network: DiffusionNetwork): DiffusionNetwork {
  const counted = (context: Context): Context => (context.mask ? context : { ...context, mask: nonzero(context.tokens) });
  const { project } = network;
  return diffusionNetwork(
    (x, t, context, options) => network(x, t, counted(context), options),
    project && ((context) => project(counted(context))),
  );
}

/** `[B, L, D] → [B, L]`: 1 where a token is not zero. */
const nonzero = (tokens: Tensor): Tensor => noGrad(() => cast(greater(amax(abs(tokens), { axis: 2 }), 0), "f32"));
