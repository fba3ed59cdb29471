import {
  autoencoder,
  autoencoderConfig,
  blobSource,
  canonicalNames,
  clipText,
  clipTextConfig,
  type Folder,
  manifest,
  matchWeights,
  openPipelineFolder,
  type Params,
  readClipTokenizer,
  readJson,
  sd15,
  sd21,
  singleFileFolder,
  subfolder,
  type TensorData,
  unet,
  unetConfig,
} from "@snoopi/models";
import { describe, expect, test } from "vitest";
import { beside, bytesOf, folderOf, fullSize, headerOnly, tinyFile, type Version } from "./single-files.ts";

const kinds = { unet: "unet", vae: "vae", text_encoder: "clip" } as const;
const builders = {
  unet: (json: object) => (p: Params) => unet(p, unetConfig({ ...json })),
  vae: (json: object) => (p: Params) => autoencoder(p, autoencoderConfig({ ...json })),
  text_encoder: (json: object) => (p: Params) => clipText(p, clipTextConfig({ ...json })),
};

/** How each part of a folder and its own config go together. */
async function matches(folder: Folder) {
  const pipeline = await openPipelineFolder(folder);
  const all = [];
  for (const part of ["unet", "vae", "text_encoder"] as const) {
    const weights = await pipeline.weights(part);
    const shapes = manifest(builders[part](await pipeline.config(part)));
    const { missing, unexpected, misshapen } = matchWeights(kinds[part], weights.entries, shapes);
    // Shapes are the networks' own, without a one at an end too many.
    const { names } = canonicalNames(kinds[part], weights.entries.keys());
    const other = [...shapes].filter(
      ([name, shape]) => names.has(name) && weights.entries.get(names.get(name)!)!.shape.join() !== shape.join(),
    );
    all.push({ part, found: weights.entries.size, missing, unexpected, misshapen: [...misshapen.map(({ name }) => name), ...other] });
  }
  return all;
}
const rawOf = ({ data }: TensorData) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
const agree = (found: readonly number[]) =>
  ["unet", "vae", "text_encoder"].map((part, i) => ({ part, found: found[i], missing: [], unexpected: [], misshapen: [] }));

const asFolder = (shapes: ReadonlyMap<string, readonly number[]>, dtypes = {}) =>
  singleFileFolder(folderOf(headerOnly(shapes, dtypes)), "model.safetensors");
const scheduler = async (folder: Folder) => readJson(folder, "scheduler/scheduler_config.json");

describe.each(["sd15-tiny", "sd21-tiny"] as const)("%s in a single file", (checkpoint) => {
  test("is a folder with the same tensors, bit for bit", async () => {
    const { tensors, options, whole } = await tinyFile(checkpoint);
    const folder = await singleFileFolder(folderOf(blobSource(bytesOf(tensors))), "model.safetensors", options);
    const [made, given] = [
      await openPipelineFolder(folder),
      await openPipelineFolder(whole, checkpoint === "sd21-tiny" ? { variant: "fp16" } : {}),
    ];
    expect(folder.version).toBe(checkpoint === "sd15-tiny" ? 1 : 2);
    for (const part of ["unet", "vae", "text_encoder"] as const) {
      const [a, b] = [await made.weights(part), await given.weights(part)];
      const [own, old] = [a, b].map(({ entries }) => canonicalNames(kinds[part], entries.keys()).names);
      expect([...own!.keys()].sort()).toEqual([...old!.keys()].sort());
      for (const [name, stored] of own!) {
        const [one, other] = [await a.read(stored), await b.read(old!.get(name)!)];
        expect([one.dtype, one.shape], name).toEqual([other.dtype, other.shape]);
        expect(Buffer.compare(rawOf(one), rawOf(other)), name).toBe(0);
      }
      await b.close();
    }
  });

  test("has the tokenizer that its merges make", async () => {
    const { tensors, options, whole } = await tinyFile(checkpoint);
    const folder = await singleFileFolder(folderOf(blobSource(bytesOf(tensors))), "model.safetensors", options);
    const [made, given] = [await readClipTokenizer(subfolder(folder, "tokenizer")), await readClipTokenizer(subfolder(whole, "tokenizer"))];
    expect(made).toMatchObject({ vocabSize: given.vocabSize, padId: given.padId, startId: given.startId, endId: given.endId });
    for (const text of ["", "a red cat", "Café, naïve!! 猫 <|endoftext|>", "it's 1984\t…"])
      expect(made.encode(text)).toEqual(given.encode(text));
  });
});

describe("a checkpoint of full size", () => {
  test.each([
    [1, [686, 248, 196]],
    [2, [686, 248, 372]],
  ] as const)(
    "of Stable Diffusion %i agrees with what is published, name by name, and is read by its header alone",
    async (version, found) => {
      const source = headerOnly(new Map([...fullSize(version), ...beside(version)]));
      const folder = await singleFileFolder(folderOf(source), "model.safetensors");
      expect(folder.version).toBe(version);
      expect([...folder.dropped].sort()).toEqual([...beside(version).keys()].sort());
      expect(await matches(folder)).toEqual(agree(found));
      // The header, and of Stable Diffusion 2 one norm's bias: of gigabytes a few hundred kilobytes.
      expect(source.asked).toBeLessThan(300_000);
      expect(source.size).toBeGreaterThan(2e9);
    },
  );

  test.each([
    ["in sgm's names", 2, "cond_stage_model.model.", "conditioner.embedders.0.model."],
    ["of sgm with CLIP", 1, "cond_stage_model.transformer.", "conditioner.embedders.0.transformer."],
    ["of an old merge, whose CLIP lost its text_model.", 1, "cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."],
    ["whose VAE is called vae", 1, "first_stage_model.", "vae."],
    ["of a trainer that called one layer of the VAE as diffusers does", 1, ".mid.attn_1.k.", ".mid.attn_1.to_k."],
  ] as const)("%s is read as well", async (_, version, from, to) => {
    const shapes = new Map([...fullSize(version)].map(([name, shape]) => [name.replace(from, to), shape]));
    expect(
      (await matches(await asFolder(shapes))).every(
        ({ missing, unexpected, misshapen }) => [missing, unexpected, misshapen].flat().length === 0,
      ),
    ).toBe(true);
  });

  test("may have linear layers as convolutions and the reverse", async () => {
    for (const version of [1, 2] as const) {
      const turned = (name: string, shape: readonly number[]) => {
        if (/^first_stage.*attn_1\.[qkv]\.weight$/.test(name)) return shape.slice(0, 2);
        if (!/diffusion_model.*\.proj_(in|out)\.weight$/.test(name)) return shape;
        return shape.length === 2 ? [...shape, 1, 1] : shape.slice(0, 2);
      };
      const shapes = new Map([...fullSize(version)].map(([name, shape]) => [name, turned(name, shape)]));
      for (const { misshapen } of await matches(await asFolder(shapes))) expect(misshapen).toEqual([]);
    }
  });

  test("shows what nobody knows as unexpected, under its own name, and what is absent as missing", async () => {
    const shapes = new Map(fullSize(1));
    const more = [
      "extra",
      "model.diffusion_model.extra.weight",
      "first_stage_model.extra",
      "cond_stage_model.extra",
      "cond_stage_model.transformer.extra",
    ];
    for (const name of more) shapes.set(name, [1]);
    shapes.delete("model.diffusion_model.out.2.bias");
    const [network, vae, text] = await matches(await asFolder(shapes));
    expect(network).toMatchObject({ missing: ["conv_out.bias"], unexpected: ["extra", "model.diffusion_model.extra.weight"] });
    expect(vae!.unexpected).toEqual(["first_stage_model.extra"]);
    expect(text!.unexpected).toEqual(["cond_stage_model.extra", "extra"]);
  });

  test("with two tensors for one parameter is refused", async () => {
    const shapes = new Map(fullSize(1));
    const name = "cond_stage_model.transformer.text_model.final_layer_norm.bias";
    shapes.set(name.replace("text_model.", ""), [768]);
    await expect(asFolder(shapes)).rejects.toThrow(
      `DIR/model.safetensors: it holds both "${name}" and "${name.replace("text_model.", "")}", which are the same parameter. Take another copy of the model.`,
    );
  });
});

describe("what it predicts", () => {
  const probe = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias";
  /** Stable Diffusion 2 whose bias scatters so much about one half. */
  const scattered = (deviation: number) => {
    const source = headerOnly(fullSize(2), { [probe]: "F32" });
    const bias = Float32Array.from({ length: 320 }, (_, i) => 0.5 + (i % 2 === 0 ? deviation : -deviation));
    // Beside the header it is all that is read.
    const read: typeof source.read = async (start, end) =>
      end - start === bias.byteLength ? new Uint8Array(bias.buffer.slice(0)) : source.read(start, end);
    return folderOf({ ...source, read });
  };
  const told = (version: Version, ...marks: string[]) => new Map([...fullSize(version), ...marks.map((mark) => [mark, []] as const)]);

  test.each([
    [0.08, "epsilon", 64, 512],
    [0.1, "v_prediction", 96, 768],
  ] as const)("is told for Stable Diffusion 2 by how one bias scatters: %f", async (deviation, predicts, latents, pixels) => {
    const folder = await singleFileFolder(scattered(deviation), "model.safetensors");
    expect(await scheduler(folder)).toMatchObject({ prediction_type: predicts });
    expect((await readJson(folder, "unet/config.json")).sample_size).toBe(latents);
    expect((await readJson(folder, "vae/config.json")).sample_size).toBe(pixels);
  });

  test("is noise for Stable Diffusion 1, unless it is marked", async () => {
    expect(await scheduler(await asFolder(fullSize(1)))).toEqual(sd15.scheduler);
    expect(await scheduler(await asFolder(told(1, "v_pred")))).toEqual({ ...sd15.scheduler, prediction_type: "v_prediction" });
  });

  test("may be for a schedule that ends in pure noise, where steps then begin", async () => {
    expect(await scheduler(await asFolder(told(1, "v_pred", "ztsnr")))).toEqual({
      ...sd15.scheduler,
      _class_name: "DDIMScheduler",
      prediction_type: "v_prediction",
      rescale_betas_zero_snr: true,
      timestep_spacing: "trailing",
    });
  });

  test("is what the caller says before all else", async () => {
    const folder = await singleFileFolder(folderOf(headerOnly(told(2, "v_pred"))), "model.safetensors", { predictionType: "epsilon" });
    expect(await scheduler(folder)).toEqual({ ...sd21.scheduler, prediction_type: "epsilon" });
    expect((await readJson(folder, "unet/config.json")).sample_size).toBe(64);
  });

  test("is read without the bias where that is not there", async () => {
    const shapes = new Map(fullSize(2));
    shapes.delete(probe);
    expect(await scheduler(await asFolder(shapes))).toMatchObject({ prediction_type: "v_prediction" });
  });
});

describe("the tokenizer", () => {
  test.each([
    [1, 49407],
    [2, 0],
  ] as const)("of Stable Diffusion %i is CLIP's, with the padding that is published", async (version, padId) => {
    const tokenizer = await readClipTokenizer(subfolder(await asFolder(fullSize(version)), "tokenizer"));
    expect(tokenizer).toMatchObject({ maxLength: 77, vocabSize: 49408, startId: 49406, endId: 49407, padId });
    // Of transformers' CLIPTokenizer with OpenAI's files.
    const { ids, length } = tokenizer.encode("a photo of a cat, 4k");
    expect([...ids.slice(0, length)]).toEqual([49406, 320, 1125, 539, 320, 2368, 267, 275, 330, 49407]);
    expect(ids.at(-1)).toBe(padId);
  });
});
