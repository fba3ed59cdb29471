import { abs, amax, cast, greater, mul, noGrad, notEqual, reshape, type Tensor } from "@snoopi/core";
import { type Context, type DiffusionNetwork, diffusionNetwork } from "@snoopi/models";
import type { EncodeIds, TextNetwork } from "./shape.ts";

// A text encoder that hides padding gives two things of a text: tokens, and which of them count. In training a text is one tensor, drawn by
// number, cached on disk and given to a captured program. So padding is zero there, and tells by itself that it is.

/** Ids `[B, L]` to tokens, in which padding is zero if the encoder hides it. */
export function withZeroPadding({ masked }: Pick<TextNetwork, "masked">, encode: EncodeIds, padId: number): (ids: Tensor) => Tensor {
  if (!masked) return (ids) => encode(ids);
  return (ids) => {
    const mask = cast(notEqual(ids, padId), "f32");
    return mul(encode(ids, mask), reshape(mask, [...ids.shape, 1]));
  };
}

/** The same network, for which tokens that are zero are padding where a context has no mask. */
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
