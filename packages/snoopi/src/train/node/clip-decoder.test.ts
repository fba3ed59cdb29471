import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu, fromData, grad, normal, realize, type Shape, sum, type Tensor } from "@snoopi/core";
import {
  autoencoderTiny,
  countOf,
  init,
  type JsonObject,
  manifest,
  type Params,
  params,
  tinyVaeConfig,
  tinyVaeDecoder,
} from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tiny } from "../../../../../test/cli/command.ts";
import { formulaParameter } from "../../../../../test/oracles/formula.ts";
import { openModel } from "../../pipeline/open.ts";
import { clipModel } from "../clip-model.ts";
import { clipSizes } from "../clip-sizes.ts";
import { type DistillConfig, distillSchema } from "../distill-config.ts";
import { readConfig } from "../schema.ts";
import { clipView, plainPixels } from "../student/clip-view.ts";
import { distillCost } from "../student/dry.ts";
import { writeComponent } from "./component.ts";
import { openDistillTeacher } from "./distill-teacher.ts";

// The tiny Stable Diffusion 1.5 as a teacher, with a CLIP of weights from a formula, at 16 × 16 pixels.

const root = mkdtempSync(join(tmpdir(), "snoopi-decoder-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const model = join(root, "teacher");

const tower = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const clip = {
  projection_dim: 16,
  text_config: { ...tower, vocab_size: 834, max_position_embeddings: 77, eos_token_id: 2 },
  vision_config: { ...tower, image_size: 8, patch_size: 4 },
};
const towers = clipSizes(clip, "clip");

/** Norms' weights around 1, all others around 0. */
const rules = (spread: number) => [
  { suffix: "logit_scale", center: 0, spread: 0 },
  ...["norm.weight", "norm1.weight", "norm2.weight", "layrnorm.weight"].map((suffix) => ({ suffix, center: 1, spread: 0.2 })),
  { suffix: "", center: 0, spread, fanIn: true },
];
const formula =
  (spread = 2) =>
  (path: string, shape: Shape): Tensor =>
    fromData(formulaParameter(path, shape, rules(spread)), { shape, dtype: "f32", device: cpu });

async function write(name: string, config: JsonObject, build: (p: Params) => unknown, spread = 2): Promise<string> {
  const weights = [...manifest(build)].map(
    ([path, shape]) => [path, { shape, data: formulaParameter(path, shape, rules(spread)) }] as const,
  );
  await writeComponent(join(root, name), { config, weights: new Map(weights), library: "diffusers" });
  return name;
}

const sizes = {
  _class_name: "AutoencoderTiny",
  ...{ decoder_block_out_channels: [4, 4, 4, 4], encoder_block_out_channels: [4, 4, 4, 4] },
};
const decoder = (name: string, { spread = 2, channels = 4 } = {}): Promise<string> => {
  const json = { ...sizes, latent_channels: channels };
  return write(name, json, (p) => autoencoderTiny(p, tinyVaeConfig(json)), spread);
};

beforeAll(async () => {
  cpSync(tiny("sd15"), model, { recursive: true });
  await write("teacher/clip", clip, (p) => clipModel(p, towers));
  writeFileSync(join(root, "prompts.txt"), "a cat\na dog\n");
});

const configOf = (judging: object): DistillConfig =>
  readConfig(distillSchema, { prompts: "prompts.txt", size: 16, batch: 1, student: { train: "lora" }, clip: judging });
const open = (judging: object) =>
  openDistillTeacher({
    ...{ device: cpu, folder: model, config: configOf(judging), beside: root, out: join(root, "student") },
    signal: new AbortController().signal,
  });

const x0 = normal([2, 4, 2, 2], { key: 1 });
await realize([x0]);
/** Of the sum of CLIP's embeddings of what latents show. */
const gradient = (embed: (x0: Tensor) => Tensor) => grad((x: Tensor) => sum(embed(x)))(x0).data();

test("CLIP sees pictures, and sends its gradient back, through the decoder that the config names", async () => {
  using teacher = await open({ decoder: await decoder("decoder") });
  const decode = tinyVaeDecoder(params(init(formula())), tinyVaeConfig(sizes));
  const { picture } = clipModel(params(init(formula())), towers);
  // TAESD's latents are the UNet's: unlike the model's own VAE it is given them as they are.
  const embed = (x: Tensor) => picture(clipView(decode(x), { size: 8, norm: plainPixels }));
  expect(await teacher.embedLatents!(x0).data()).toEqual(await embed(x0).data());
  const own = await gradient(teacher.embedLatents!);
  expect(own).toEqual(await gradient(embed));
  expect(Math.max(...own.map(Math.abs))).toBeGreaterThan(1e-3);
});

test("without one it is the model's own VAE, which draws the samples in any case", async () => {
  using named = await open({ decoder: await decoder("decoder") });
  using plain = await open({});
  expect(await plain.embedLatents!(x0).data()).not.toEqual(await named.embedLatents!(x0).data());
  expect(await plain.decode(x0).data()).toEqual(await named.decode(x0).data());
});

test("who judges is told by the decoder's weights too, wherever they lie; the teacher is not", async () => {
  const judged = async (judging: object) => {
    using teacher = await open(judging);
    return { origin: teacher.origin, judge: teacher.judge };
  };
  const one = await judged({ decoder: await decoder("decoder") });
  cpSync(join(root, "decoder"), join(root, "moved"), { recursive: true });
  expect(await judged({ decoder: "moved" })).toEqual(one);
  const others = [await judged({ decoder: await decoder("other", { spread: 1 }) }), await judged({})];
  expect(new Set([one, ...others].map(({ judge }) => judge)).size).toBe(3);
  expect(new Set([one, ...others].map(({ origin }) => origin)).size).toBe(1);
});

test("one that is not there, is no VAE or is for other latents is refused; without a CLIP loss nobody asks for it", async () => {
  const refused = (decoder: string) => expect(open({ decoder })).rejects;
  await refused("nowhere").toThrow(
    `distill: clip.decoder is ${join(root, "nowhere")}, and there is no config.json. Put config.json and diffusion_pytorch_model.safetensors of madebyollin/taesd there, or set clip.decoder to null for the model's own VAE.`,
  );
  await refused("teacher/unet").toThrow(
    `distill: clip.decoder is ${join(model, "unet")}, and in its config.json vae: _class_name is "UNet2DConditionModel", only "AutoencoderKL", "AutoencoderTiny" is supported.`,
  );
  await refused(await decoder("wide", { channels: 16 })).toThrow(
    `distill: clip.decoder, ${join(root, "wide")}, decodes latents of 16 channels, and the model's have 4. Give one for the model's latents.`,
  );
  using teacher = await open({ decoder: "nowhere", weight: 0 });
  expect(teacher.embedLatents).toBeUndefined();
});

test("a dry run counts it beside the model's own", async () => {
  const shapes = { model: await openModel(nodeFolder(model)), clip: towers, clipDecoder: tinyVaeConfig(sizes) };
  const { parts, peakBytes } = distillCost(configOf({ decoder: "decoder" }), shapes);
  expect(parts.reduce((sum, [, bytes]) => sum + bytes, 0)).toBe(peakBytes);

  const decoderBytes = 4 * countOf(manifest((p) => tinyVaeDecoder(p, tinyVaeConfig(sizes))));
  expect(new Map(parts).get("decoder for CLIP")).toBe(decoderBytes);
  expect(new Map(distillCost(configOf({}), shapes).parts).has("decoder for CLIP")).toBe(false);
});
