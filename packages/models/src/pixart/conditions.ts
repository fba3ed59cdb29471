import { add, concat, type Device, OpError, reshape, silu, type Tensor } from "@snoopi/core";
import { linear } from "../layers.ts";
import type { Params } from "../params.ts";
import { sinusoid, type Timestep, timestepEmbedding } from "../unet/timestep.ts";

/** Height and width of the picture, in pixels. */
export type PictureSize = readonly [height: number, width: number];

/** What all blocks are told besides the text. */
export interface Conditions {
  /** The timestep and, where the model is told it, the picture's size: `[1 or B, 1, width]`. */
  readonly embedded: Tensor;
  /** What every block adds its own table to: two shifts, scales and gates, `[1 or B, 6, width]`. */
  readonly modulation: Tensor;
}

/** Width of all sinusoids, whatever the model's. */
const sinusoidWidth = 256;

/** diffusers' `AdaLayerNormSingle`: the modulation that all blocks share (PixArt-α, section 2.3). */
export function adaLayerNormSingle(p: Params, width: number, { sized }: { readonly sized: boolean }) {
  const embedder = (name: string, out: number) => timestepEmbedding(p.at(`emb.${name}_embedder`), sinusoidWidth, out);
  const embedTime = embedder("timestep", width);
  const embedSides = sized ? embedder("resolution", width / 3) : undefined;
  const embedAspect = sized ? embedder("aspect_ratio", width / 3) : undefined;
  const toModulation = linear(p.at("linear"), width, 6 * width);

  return (t: Timestep, { size, device }: { readonly size?: PictureSize | undefined; readonly device: Device }): Conditions => {
    const waves = (of: Timestep) => sinusoid(of, { width: sinusoidWidth, device });
    let embedded = embedTime(waves(t));
    if (embedSides && embedAspect) {
      const [high, wide] = checkSize(size);
      const sides = reshape(embedSides(waves([high, wide])), [1, -1]);
      embedded = add(embedded, concat([sides, embedAspect(waves(high / wide))], { axis: 1 }));
    }
    return { embedded: reshape(embedded, [-1, 1, width]), modulation: reshape(toModulation(silu(embedded)), [-1, 6, width]) };
  };
}

function checkSize(size: PictureSize | undefined): PictureSize {
  if (!size) throw new OpError("pixart", "there is no size, which this model is told", "Give height and width of the picture in pixels.");
  if (size.length !== 2 || !size.every((side) => side > 0 && Number.isFinite(side))) {
    throw new OpError("pixart", `the size is [${size.join(", ")}], expected a height and a width above 0`);
  }
  return size;
}
