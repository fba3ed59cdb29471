import {
  add,
  amax,
  type Device,
  exp,
  type Key,
  log,
  matmul,
  mean,
  minimum,
  mul,
  neg,
  reshape,
  resize,
  stopGradient,
  sub,
  sum,
  type Tensor,
  transpose,
} from "@snoopi/core";
import { type ClipTextConfig, load, type Params, params } from "@snoopi/models";
import { satisfies } from "../world/attributes.ts";
import { captionIndex } from "../world/caption.ts";
import type { ClipImageSizes } from "./clip-image.ts";
import { clipModel } from "./clip-model.ts";
import { namedOf, picturesOf, scenesOf, stepKey, uniforms } from "./examples.ts";
import { clipDefaults, initialised } from "./initialise.ts";
import type { Numbers, Stage } from "./stage.ts";

/** Token ids of every caption, in the order of `captions`, and where each text ends. */
export interface CaptionIds {
  readonly length: number;
  readonly ids: readonly (readonly number[])[];
  readonly ends: readonly number[];
}

export interface ClipStageOptions {
  readonly device: Device;
  readonly text: ClipTextConfig;
  readonly image: ClipImageSizes;
  readonly captions: CaptionIds;
  readonly batch: number;
  readonly blur: number;
  readonly key: Key;
}

/** The largest logarithm of the inverse temperature: CLIP's is ln 100, which a small batch does not need. */
export const mostLogitScale = 4;

/** Chosen captions as numbers: ids `[n, L]`, and the row of each text's end when the batch is laid out as `[n·L]`. */
export function captionNumbers(
  { ids, ends, length }: CaptionIds,
  chosen: readonly number[],
): { readonly ids: Numbers; readonly rows: Numbers } {
  return {
    ids: { shape: [chosen.length, length], data: Int32Array.from(chosen.flatMap((i) => ids[i])) },
    rows: { shape: [chosen.length], data: Int32Array.from(chosen, (i, text) => text * length + ends[i]) },
  };
}

/**
 * Trains CLIP on pairs of picture and caption. A caption that leaves attributes open may fit several pictures: a caption's row of targets
 * is spread evenly over all pictures that it fits, and a picture's column over all captions that fit it.
 */
export function clipStage({ device, text, image, captions, batch, blur, key }: ClipStageOptions): Stage {
  const build = (p: Params) => clipModel(p, { text, image });
  const parameters = initialised(build, {
    device,
    key,
    initialiser: clipDefaults({ width: text.hiddenSize, layers: text.numHiddenLayers }),
  });
  const model = build(params(load(new Map(Object.entries(parameters)))));
  return {
    name: "clip",
    device,
    parameters,
    batch(step) {
      const scenes = scenesOf(key, step * batch, batch);
      const said = scenes.map(({ attributes }, i) => namedOf(attributes, key, step * batch + i));
      const hit = said.map((constraint) => scenes.map(({ attributes }) => (satisfies(attributes, constraint) ? 1 : 0)));
      const columns = scenes.map((_, j) => hit.reduce((n, row) => n + row[j], 0));
      const rows = hit.map((row) => row.reduce<number>((n, v) => n + v, 0));
      const target = (of: (i: number, j: number) => number): Numbers => ({
        shape: [batch, batch],
        data: Float32Array.from({ length: batch * batch }, (_, n) => of(Math.floor(n / batch), n % batch)),
      });
      const blurred = uniforms(batch, stepKey(key, 1, step)).map((u) => (u < blur ? 1 : 0));
      return {
        x: picturesOf(scenes, image.imageSize),
        blurred: { shape: [batch, 1, 1, 1], data: blurred },
        ...captionNumbers(captions, said.map(captionIndex)),
        // Distributions: of pictures for each text along its row, of texts for each picture along its column.
        pictureOf: target((i, j) => hit[i][j] / rows[i]),
        textOf: target((i, j) => hit[i][j] / columns[j]),
      };
    },
    loss({ x, blurred, ids, rows, pictureOf, textOf }) {
      const seen = add(x, mul(sub(softened(x), x), blurred));
      const scale = exp(minimum(model.logitScale, mostLogitScale));
      const logits = mul(matmul(model.text(ids, rows), transpose(model.picture(seen))), scale);
      const crossEntropy = (target: Tensor, axis: number) => neg(mean(sum(mul(logSoftmax(logits, axis), target), { axis })));
      return { loss: add(crossEntropy(pictureOf, 1), crossEntropy(textOf, 0)), scale };
    },
  };
}

/** Averages blocks of 2 × 2 pixels and resizes back. */
function softened(x: Tensor): Tensor {
  const [batch, channels, height, width] = x.shape;
  const half = mean(reshape(x, [batch, channels, height / 2, 2, width / 2, 2]), { axis: [3, 5] });
  return resize(half, [height, width], { mode: "bilinear" });
}

function logSoftmax(x: Tensor, axis: number): Tensor {
  const shifted = sub(x, stopGradient(amax(x, { axis, keepdims: true })));
  return sub(shifted, log(sum(exp(shifted), { axis, keepdims: true })));
}
