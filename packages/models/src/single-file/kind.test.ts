import { describe, expect, test } from "vitest";
import { folderOf, fullSize, headerOnly } from "../../../../test/models/single-files.ts";
import { kindOf } from "./kind.ts";
import type { OtherKind } from "./other-kinds.ts";
import { singleFileFolder } from "./single-file.ts";

type Shapes = Map<string, readonly number[]>;
const unet = "model.diffusion_model.";
const input = `${unet}input_blocks.0.0.weight`;

const of = (entries: Readonly<Record<string, readonly number[]>>): Shapes => new Map(Object.entries(entries));
/** Stable Diffusion with other tensors. */
const with1 = (entries: Readonly<Record<string, readonly number[]>>): Shapes => new Map([...fullSize(1), ...of(entries)]);
const with2 = (entries: Readonly<Record<string, readonly number[]>>): Shapes => new Map([...fullSize(2), ...of(entries)]);
const only = (...prefixes: string[]): Shapes =>
  new Map([...fullSize(1)].filter(([name]) => prefixes.some((prefix) => name.startsWith(prefix))));
const bare = (prefix: string): Shapes => new Map([...only(prefix)].map(([name, shape]) => [name.slice(prefix.length), shape]));
const wide = (width: number): Shapes =>
  new Map([...fullSize(2)].map(([name, shape]) => [name, /attn2\.to_[kv]\.weight$/.test(name) ? [shape[0]!, width] : shape]));

const open = (shapes: Shapes, dtypes: Readonly<Record<string, string>> = {}) =>
  singleFileFolder(folderOf(headerOnly(shapes, dtypes)), "model.safetensors");
const others = "Only text-to-image checkpoints of Stable Diffusion 1 and 2 are supported.";
const complete = "Give a checkpoint with text encoder, UNet and VAE, or a diffusers folder.";

describe("a file that is no checkpoint of Stable Diffusion 1 or 2 for texts is refused by what it is:", () => {
  test.each<[string, Shapes, string]>([
    ["SDXL", with2({ [`${unet}label_emb.0.0.weight`]: [1280, 2816] }), `Stable Diffusion XL. ${others}`],
    [
      "SDXL by its second text encoder",
      with2({ "conditioner.embedders.1.model.ln_final.weight": [1280] }),
      `Stable Diffusion XL. ${others}`,
    ],
    ["SDXL by the width of its tokens", wide(2048), `Stable Diffusion XL. ${others}`],
    [
      "SDXL for inpainting",
      with2({ [`${unet}label_emb.0.0.weight`]: [1280, 2816], [input]: [320, 9, 3, 3] }),
      `Stable Diffusion XL. ${others}`,
    ],
    ["SDXL's refiner", with2({ [`${unet}label_emb.0.0.weight`]: [1536, 2560] }), `the refiner of Stable Diffusion XL. ${others}`],
    ["inpainting", with1({ [input]: [320, 9, 3, 3] }), `an inpainting model, whose UNet has 9 input channels and not 4. ${others}`],
    [
      "InstructPix2Pix",
      with1({ [input]: [320, 8, 3, 3] }),
      `InstructPix2Pix, or another model that edits a picture, whose UNet has 8 input channels and not 4. ${others}`,
    ],
    ["an upscaler", with2({ [input]: [256, 7, 3, 3] }), `an upscaler, whose UNet has 7 input channels and not 4. ${others}`],
    ["depths", with2({ [input]: [320, 5, 3, 3] }), `a model that is guided by depth, whose UNet has 5 input channels and not 4. ${others}`],
    ["unCLIP", with2({ [`${unet}label_emb.0.0.weight`]: [1280, 1536] }), `an unCLIP model, which is guided by a picture. ${others}`],
    [
      "AltDiffusion",
      with1({ "cond_stage_model.roberta.pooler.dense.bias": [1024] }),
      `a model with another text encoder (AltDiffusion). ${others}`,
    ],
    [
      "films",
      with2({ [`${unet}input_blocks.1.1.time_stack.0.norm1.bias`]: [320] }),
      `a model of videos, such as Stable Video Diffusion. ${others}`,
    ],
    ["SD3", of({ [`${unet}joint_blocks.0.x_block.attn.qkv.weight`]: [3, 1] }), `Stable Diffusion 3. ${others}`],
    ["Flux", of({ "double_blocks.0.img_attn.qkv.weight": [3, 1] }), `Flux, or a transformer like it. ${others}`],
    [
      "Flux within a checkpoint",
      of({ [`${unet}double_blocks.0.img_attn.qkv.weight`]: [3, 1] }),
      `Flux, or a transformer like it. ${others}`,
    ],
    ["PixArt", of({ "blocks.0.cross_attn.q_linear.weight": [1, 1] }), `a diffusion transformer. ${others}`],
    [
      "another network",
      of({ [`${unet}clip_txt_mapper.weight`]: [1, 1] }),
      `a model whose network is not the UNet of Stable Diffusion. ${others}`,
    ],
    ["a LoRA", of({ "lora_unet_x.lora_down.weight": [4, 8] }), "a LoRA. Add it to a model with --lora FILE, or openLora in code."],
    ["a LoHa", of({ "lora_unet_x.hada_w1_a": [4, 8] }), "a LoRA. Add it to a model with --lora FILE, or openLora in code."],
    [
      "a ControlNet",
      of({ "control_model.time_embed.0.weight": [1, 1] }),
      "a ControlNet, or another adapter that is guided by a picture. Such files are not supported.",
    ],
    ["a motion module", of({ "down_blocks.0.motion_modules.0.x.pe": [1] }), "a motion module for videos. Such files are not supported."],
    ["a textual inversion", of({ emb_params: [4, 768] }), "a textual inversion, the embedding of a word. Such files are not supported."],
    ["a UNet of diffusers", of({ "down_blocks.0.resnets.0.norm1.bias": [1], "conv_in.bias": [1] }), `a UNet by itself. ${complete}`],
    ["a UNet under its own names", bare(unet), `a UNet by itself. ${complete}`],
    ["a VAE under its own names", bare("first_stage_model."), `a VAE by itself. ${complete}`],
    ["a CLIP", bare("cond_stage_model.transformer."), `a text encoder by itself. ${complete}`],
    ["a T5", of({ "encoder.block.0.layer.0.SelfAttention.q.weight": [1, 1] }), `a text encoder by itself. ${complete}`],
    [
      "nothing that is known",
      of({ a: [2], b: [3], c: [4] }),
      "not a checkpoint of Stable Diffusion, by the names of its tensors. Give one, or a diffusers folder.",
    ],
    [
      "no VAE",
      only(unet, "cond_stage_model."),
      "a checkpoint without a VAE: it has only a text encoder and a UNet. Use a copy of the model with its VAE included.",
    ],
    [
      "a UNet and nothing else",
      only(unet),
      "a checkpoint without a text encoder and without a VAE: it has only a UNet. Use a complete copy of the model.",
    ],
    [
      "a VAE and nothing else",
      only("first_stage_model."),
      "a checkpoint without a text encoder and without a UNet: it has only a VAE. Use a complete copy of the model.",
    ],
    [
      "tokens of another width",
      wide(640),
      "a checkpoint whose UNet reads tokens of width 640, while Stable Diffusion 1 has 768 and 2 has 1024. Give a checkpoint of one of these, or a diffusers folder.",
    ],
  ])("%s", async (_, shapes, says) => {
    await expect(open(shapes)).rejects.toThrow(`DIR/model.safetensors: it is ${says}`);
  });
});

test("weights of 8 bits are refused, with scales or without", async () => {
  await expect(open(with1({ scaled_fp8: [2] }))).rejects.toThrow(
    'it is quantised, by its F16 tensor "scaled_fp8". Give a copy in F32, F16 or BF16.',
  );
  const scale = `${unet}out.2.scale_weight`;
  await expect(open(with1({ [scale]: [1] }), { [scale]: "F32" })).rejects.toThrow(`it is quantised, by its F32 tensor "${scale}".`);
  await expect(open(fullSize(1), { [input]: "F8_E4M3" })).rejects.toThrow(`it is quantised, by its F8_E4M3 tensor "${input}".`);
});

test("a pickle is refused as anywhere", async () => {
  const bytes = new TextEncoder().encode("PK\u0003\u0004 and what a zip holds");
  const source = { size: bytes.length, read: async (start: number, end: number) => bytes.slice(start, end) };
  await expect(singleFileFolder(folderOf(source, "model.ckpt"), "model.ckpt")).rejects.toThrow(
    "DIR/model.ckpt: this is a PyTorch pickle, which can run code when it is read. Only safetensors files are read.",
  );
});

test("a transformer by itself counts as a part, and within a checkpoint as a model", () => {
  const entry = { dtype: "F16", shape: [1], start: 0, end: 2 };
  const roleOf = (name: string) => (kindOf(new Map([[name, entry]])) as OtherKind).role;
  const name = "double_blocks.0.img_attn.qkv.weight";
  expect([roleOf(name), roleOf(`${unet}${name}`), roleOf("a")]).toEqual(["part", "model", "unknown"]);
});

test("both versions are recognised", async () => {
  expect((await open(fullSize(1))).version).toBe(1);
  expect((await open(fullSize(2))).version).toBe(2);
});
