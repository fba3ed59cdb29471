import { SnoopiError } from "@snoopi/core";
import { checkFeatures, checkSameWidth, type Features } from "./features.ts";

/**
 * The cosine between row i of `images` and row i of `texts`, `[N]`, in f64; embeddings need not be normalised.
 *
 * @throws SnoopiError when there are not as many of one as of the other, widths differ, or a row is all zeros.
 */
export function cosines(images: Features, texts: Features): Float64Array {
  for (const features of [images, texts]) checkFeatures("cosines", features);
  checkSameWidth("cosines", images.shape[1], texts.shape[1]);
  if (images.shape[0] !== texts.shape[0]) {
    throw new SnoopiError(
      `cosines: ${images.shape[0]} images and ${texts.shape[0]} texts. Pass one text for each image, in the same order.`,
    );
  }
  const [rows, width] = images.shape;
  return Float64Array.from({ length: rows }, (_, i) => {
    let [dot, image, text] = [0, 0, 0];
    for (let at = i * width, end = at + width; at < end; at++) {
      dot += images.data[at] * texts.data[at];
      image += images.data[at] ** 2;
      text += texts.data[at] ** 2;
    }
    if (image === 0 || text === 0) {
      throw new SnoopiError(
        `cosines: the ${image === 0 ? "image" : "text"} of pair ${i} is all zeros, which has no direction. Leave it out.`,
      );
    }
    return dot / (Math.sqrt(image) * Math.sqrt(text));
  });
}

/**
 * The CLIP score: the mean cosine of images `[N, D]` and their texts `[N, D]`, from −1 to 1. SwiftBrush v2 and SNOOPI embed the caption
 * behind "A photo depicts "; that is left to the caller.
 *
 * @throws SnoopiError as `cosines`, and for no pairs.
 */
export function clipScore(images: Features, texts: Features): number {
  if (images.shape[0] === 0) throw new SnoopiError("CLIP score: there are no pairs. Pass at least 1.");
  const values = cosines(images, texts);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** HPSv2's scale: 100 times the mean cosine, of embeddings by whichever preference model made them. */
export function hpsScore(images: Features, texts: Features): number {
  return 100 * clipScore(images, texts);
}
