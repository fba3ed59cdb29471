import { add, type Device, embedding, type Key, mean, mul, reshape, square, sub, type Tensor } from "@snoopi/core";
import { load, type Params, params, type UNetConfig, unet } from "@snoopi/models";
import type { NoiseSchedule } from "../schedule/noise-schedule.ts";
import type { Attributes } from "../world/attributes.ts";
import { captionIndex } from "../world/caption.ts";
import { integers, namedOf, normals, stepKey, uniforms } from "./examples.ts";
import { initialised, layerDefaults } from "./initialise.ts";
import type { Numbers, Stage } from "./stage.ts";

export interface TeacherStageOptions {
  readonly device: Device;
  readonly network: UNetConfig;
  readonly schedule: NoiseSchedule;
  /** Latents as the UNet sees them, `[n, C, h, w]` on the host, and what each shows. */
  readonly pool: { readonly latents: Numbers; readonly attributes: readonly Attributes[] };
  /** The text encoder's states of every caption in the order of `captions` and, last, of the empty text: `[n + 1, L, D]`, on the device. */
  readonly texts: Tensor;
  /** Identifies the VAE and the text encoder. */
  readonly origin: string;
  /** Weights to start from, which the stage then owns, and what identifies them. Default: fresh ones. */
  readonly start?: { readonly parameters: Readonly<Record<string, Tensor>>; readonly origin: string };
  readonly batch: number;
  readonly nullText: number;
  readonly key: Key;
}

/**
 * Trains a UNet to predict the noise, or the velocity, of latents from a pool: uniform timesteps, captions that name some of what a picture
 * shows, and a share of them empty.
 */
export function teacherStage(options: TeacherStageOptions): Stage {
  const { device, network, schedule, pool, texts, origin, start, batch, nullText, key } = options;
  const build = (p: Params) => unet(p, network);
  const parameters = start?.parameters ?? initialised(build, { device, key, initialiser: layerDefaults });
  const predict = build(params(load(new Map(Object.entries(parameters)))));
  const [count, length, width] = texts.shape;
  const [pictures, ...shape] = pool.latents.shape;
  const size = shape.reduce((a, b) => a * b, 1);
  const perSample = (values: readonly number[]): Numbers => ({ shape: [batch, 1, 1, 1], data: Float32Array.from(values) });
  const { predictionType } = schedule.config;

  return {
    name: `teacher of ${origin}${start ? `, from ${start.origin}` : ""}`,
    device,
    parameters,
    batch(step) {
      const chosen = integers(batch, pictures, stepKey(key, 1, step));
      const t = [...integers(batch, schedule.alphasCumprod.length, stepKey(key, 2, step))];
      const empty = uniforms(batch, stepKey(key, 3, step));
      const latents = new Float32Array(batch * size);
      const said = new Int32Array(batch);
      chosen.forEach((picture, i) => {
        latents.set(pool.latents.data.subarray(picture * size, (picture + 1) * size), i * size);
        const named = namedOf(pool.attributes[picture], key, step * batch + i);
        said[i] = empty[i] < nullText ? count - 1 : captionIndex(named);
      });
      return {
        latents: { shape: [batch, ...shape], data: latents },
        noise: normals([batch, ...shape], stepKey(key, 4, step)),
        alpha: perSample(t.map(schedule.alpha)),
        sigma: perSample(t.map(schedule.sigma)),
        t: { shape: [batch], data: Float32Array.from(t) },
        said: { shape: [batch], data: said },
      };
    },
    loss({ latents, noise, alpha, sigma, t, said }) {
      const tokens = reshape(embedding(reshape(texts, [count, length * width]), said), [batch, length, width]);
      const noisy = add(mul(latents, alpha), mul(noise, sigma));
      const target = predictionType === "epsilon" ? noise : sub(mul(noise, alpha), mul(latents, sigma));
      return { loss: mean(square(sub(predict(noisy, t, { tokens }), target))) };
    },
  };
}
