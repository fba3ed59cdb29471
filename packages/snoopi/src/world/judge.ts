import { SnoopiError } from "@snoopi/core";
import { type Attributes, groundLevel, palette } from "./attributes.ts";
import { fitOutline } from "./fit-outline.ts";
import { proportions } from "./outline.ts";
import { colourOf, coloursGiven, type Rgb, twoColours } from "./read-colours.ts";
import { coverage, render } from "./render.ts";
import { jitter, pictureSize, radii, type Scene } from "./scene.ts";

/** What a picture shows, and how well that explains it. */
export interface Judgement {
  readonly attributes: Attributes;
  /** The picture of the tiny world that comes nearest to the one judged. */
  readonly scene: Scene;
  /** Root mean square of the picture minus `render(scene)`, on the pictures' scale of −1 to 1. */
  readonly residual: number;
  /** The same as peak signal-to-noise ratio in dB: 20 log₁₀(2 / residual). */
  readonly psnr: number;
  /**
   * The share of the shape that the picture really has: 1 − Σ(picture − drawn)² / Σ(drawn − its ground)². 1 for a picture of the world, 0
   * for its bare ground, whatever the shape's size, where `psnr` forgives that a small shape is missing.
   */
  readonly explained: number;
}

/**
 * Reads a picture, [3, 64, 64] from −1 to 1, without a network: the ground is the frame's median, the renderer's own shapes are fitted to
 * the figure's coverage, and its colour is matched to the palette. Any picture gets an answer; `psnr` says whether the world could have
 * drawn it.
 *
 * @throws SnoopiError when the length is not 3·64·64 or a value is not finite.
 */
export function judge(picture: Float32Array): Judgement {
  if (picture.length !== 3 * pictureSize ** 2) {
    throw new SnoopiError(`judge: the picture has ${picture.length} numbers. Pass [3, 64, 64], ${3 * pictureSize ** 2}.`);
  }
  const wrong = picture.findIndex((v) => !Number.isFinite(v));
  if (wrong >= 0) throw new SnoopiError(`judge: number ${wrong} of the picture is ${picture[wrong]}. Pass finite numbers from −1 to 1.`);

  const { form, geometry } = fitOutline(twoColours(picture).covered);
  const { figure, ground } = coloursGiven(picture, coverage(form, geometry));
  const colour = colourOf(figure, ground);
  const level = (ground[0] + ground[1] + ground[2]) / 3;
  const attributes: Attributes = {
    size: geometry.radius < (radii.small[1] + radii.large[0]) / 2 ? "small" : "large",
    fill: form.fill,
    colour,
    shape: form.shape,
    ground: level < 0.5 ? "black" : "white",
  };
  const tint = figure.map((v, channel) => held(v - palette[colour][channel], jitter.tint)) as unknown as Rgb;
  const [least, most] = radii[attributes.size];
  const radius = Math.min(most, Math.max(least, geometry.radius));
  const roam = Math.min(jitter.offset, pictureSize / 2 - 0.5 - proportions[form.shape].reach * radius);
  const centre = (v: number) => pictureSize / 2 + held(v - pictureSize / 2, roam);
  const scene: Scene = {
    attributes,
    geometry: { x: centre(geometry.x), y: centre(geometry.y), radius, angle: held(geometry.angle, jitter.angle) },
    tint: { colour: tint, ground: held(level - groundLevel[attributes.ground], jitter.tint) },
  };
  const drawn = render(scene);
  const bare = 2 * (groundLevel[attributes.ground] + scene.tint.ground) - 1;
  let [rest, shown] = [0, 0];
  for (let i = 0; i < drawn.length; i++) {
    rest += (picture[i] - drawn[i]) ** 2;
    shown += (drawn[i] - bare) ** 2;
  }
  const residual = Math.sqrt(rest / drawn.length);
  return { attributes, scene, residual, psnr: 20 * Math.log10(2 / residual), explained: 1 - rest / shown };
}

const held = (v: number, most: number) => Math.min(most, Math.max(-most, v));
