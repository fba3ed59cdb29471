import { embedding, mul, reshape, rsqrt, square, sum, type Tensor } from "@snoopi/core";
import { type ClipTextConfig, clipText, linear, type Params } from "@snoopi/models";
import { type ClipImageSizes, clipImage } from "./clip-image.ts";

/** Vectors of length 1 along the last axis. */
const unit = (x: Tensor): Tensor => mul(x, rsqrt(sum(square(x), { axis: -1, keepdims: true })));

/** transformers' `CLIPModel` under its parameter names: both towers, their projections, and the logarithm of the inverse temperature. */
export function clipModel(p: Params, { text: config, image }: { readonly text: ClipTextConfig; readonly image: ClipImageSizes }) {
  const text = clipText(p.at("text_model"), config);
  const picture = clipImage(p.at("vision_model"), image);
  const ofText = linear(p.at("text_projection"), config.hiddenSize, config.projectionDim, { bias: false });
  const ofPicture = linear(p.at("visual_projection"), image.hiddenSize, config.projectionDim, { bias: false });
  return {
    logitScale: p.get("logit_scale", []),
    /** Embeddings `[B, D]` of length 1 of `ids [B, L]`. `rows [B]` says where each text ends in the batch laid out as `[B·L]`. */
    text(ids: Tensor, rows: Tensor): Tensor {
      const { last } = text(ids);
      return unit(ofText(embedding(reshape(last, [-1, config.hiddenSize]), rows)));
    },
    /** The image tower's state of its class token, `[B, width]`, and its projection to embeddings that are not of length 1. */
    seen: picture,
    project: ofPicture,
    /** Embeddings `[B, D]` of length 1 of pictures `[B, 3, S, S]` from −1 to 1. */
    picture: (x: Tensor): Tensor => unit(ofPicture(picture(x))),
  };
}
