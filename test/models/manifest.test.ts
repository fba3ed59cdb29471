import { describe, expect, test } from "vitest";
import { clipTextConfig } from "../../packages/models/src/checkpoint/config-clip.ts";
import { pixartConfig } from "../../packages/models/src/checkpoint/config-pixart.ts";
import { schedulerConfig } from "../../packages/models/src/checkpoint/config-scheduler.ts";
import { unetConfig } from "../../packages/models/src/checkpoint/config-unet.ts";
import { vaeConfig } from "../../packages/models/src/checkpoint/config-vae.ts";
import { clipText } from "../../packages/models/src/clip.ts";
import { countOf, manifest } from "../../packages/models/src/params.ts";
import { pixart } from "../../packages/models/src/pixart.ts";
import { pixart512, sd15, sd21 } from "../../packages/models/src/presets.ts";
import { unet } from "../../packages/models/src/unet.ts";
import { autoencoderKL } from "../../packages/models/src/vae.ts";
import { goldenJson, sorted } from "./goldens.ts";

// Full-size truth without weights: every name and shape, and nothing is allocated for it.
const networks = [
  { golden: "sd15-unet", asked: () => manifest((p) => unet(p, unetConfig(sd15.unet))) },
  { golden: "sd21-unet", asked: () => manifest((p) => unet(p, unetConfig(sd21.unet))) },
  { golden: "sd15-text_encoder", asked: () => manifest((p) => clipText(p, clipTextConfig(sd15.textEncoder))) },
  { golden: "sd21-text_encoder", asked: () => manifest((p) => clipText(p, clipTextConfig(sd21.textEncoder))) },
  { golden: "sd-vae", asked: () => manifest((p) => autoencoderKL(p, vaeConfig(sd15.vae))) },
  { golden: "sd-vae", asked: () => manifest((p) => autoencoderKL(p, vaeConfig(sd21.vae))) },
  { golden: "sd-vae", asked: () => manifest((p) => autoencoderKL(p, vaeConfig(pixart512.vae))) },
  { golden: "pixart512-transformer", asked: () => manifest((p) => pixart(p, pixartConfig(pixart512.transformer))) },
];

/** All tensors of a manifest, where those of layer N stand for those of each layer. */
const everyLayer = (tensors: Record<string, number[]>, layers = 0): Map<string, number[]> =>
  new Map(
    Object.entries(tensors).flatMap(([name, shape]) =>
      name.includes(".N.")
        ? Array.from({ length: layers }, (_, i) => [name.replace(".N.", `.${i}.`), shape] as const)
        : [[name, shape] as const],
    ),
  );

test.each(networks)("a preset asks for the parameters of $golden, name by name", ({ golden, asked }) => {
  const { tensors, parameters, layers } = goldenJson(`manifest/${golden}`);
  const shapes = asked();
  expect(sorted(shapes)).toEqual(sorted(everyLayer(tensors, layers)));
  expect(countOf(shapes)).toBe(parameters);
});

describe.each([
  ["sd15", sd15],
  ["sd21", sd21],
] as const)("the preset %s", (name, preset) => {
  const published = (component: string) => goldenJson(`manifest/${component}`).config;

  test("says what the published files say", () => {
    expect(unetConfig(preset.unet)).toEqual(unetConfig(published(`${name}-unet`)));
    expect(clipTextConfig(preset.textEncoder)).toEqual(clipTextConfig(published(`${name}-text_encoder`)));
  });

  test("holds no key that has no meaning", () => {
    const { unet, textEncoder, vae, scheduler } = preset;
    const configs = [unetConfig(unet), clipTextConfig(textEncoder), vaeConfig(vae), schedulerConfig(scheduler)];
    expect(configs.flatMap(({ ignored }) => ignored)).toEqual([]);
  });
});

test("the preset of PixArt says what the published file says, and holds no key that has no meaning", () => {
  const transformer = pixartConfig(pixart512.transformer);
  expect(transformer).toEqual(pixartConfig(goldenJson("manifest/pixart512-transformer").config));
  expect([transformer, vaeConfig(pixart512.vae), schedulerConfig(pixart512.scheduler)].flatMap(({ ignored }) => ignored)).toEqual([]);
});

test("the two models differ in what they predict", () => {
  expect(schedulerConfig(sd15.scheduler).predictionType).toBe("epsilon");
  expect(schedulerConfig(sd21.scheduler).predictionType).toBe("v_prediction");
});
