import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cpu, createCpu, type Device, type Shape, scope, sizeOf, tensor } from "@snoopi/core";
import { encodeSafetensors, manifest, type OpenClipSizes, openClip } from "@snoopi/models";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { devices } from "../../../../../test/devices.ts";
import { goldenFolder, goldenJson, goldenTensors, relativeError } from "../../../../../test/models/goldens.ts";
import { clipSizesOf } from "../../../../../test/models/open-clip-goldens.ts";
import { type FormulaRule, formulaParameter, formulaPicture } from "../../../../../test/oracles/formula.ts";
import { clipScore, hpsScore } from "../cosine.ts";
import type { ClipFeatureNetwork } from "./feature-network.ts";
import { loadFeatureNetwork, loadPublished } from "./node/load.ts";
import { type PublishedNetwork, publishedNetworks } from "./published.ts";

const folder = mkdtempSync(join(tmpdir(), "snoopi-networks-"));
afterAll(() => rmSync(folder, { recursive: true }));

const clip: { rules: FormulaRule[]; networks: Record<string, Parameters<typeof clipSizesOf>[0] & { tensors: Record<string, number[]> }> } =
  goldenJson("judges/open-clip");

/** A file in the layout of `shapes`, with the formula's numbers; a name that is `undefined` is left out. */
function write(
  name: string,
  shapes: Iterable<readonly [string, Shape]>,
  rules: readonly FormulaRule[],
  rename: (stored: string) => string | undefined = (stored) => stored,
): string {
  const path = join(folder, name);
  const tensors = new Map<string, { dtype: "f32" | "i32"; shape: Shape; data: Float32Array | Int32Array }>();
  for (const [stored, shape] of shapes) {
    const kept = rename(stored);
    if (kept !== undefined) tensors.set(kept, { dtype: "f32", shape, data: formulaParameter(stored, shape, rules) });
    // What PyTorch saves beside running statistics.
    if (kept?.endsWith("running_var")) {
      tensors.set(kept.replace("running_var", "num_batches_tracked"), { dtype: "i32", shape: [], data: Int32Array.of(0) });
    }
  }
  writeFileSync(path, Buffer.concat(encodeSafetensors(tensors)));
  return path;
}

const tinyShapes = (name: string) => Object.entries(clip.networks[name].tensors);
const tiny = (sizes: OpenClipSizes, like: "clip-g14" | "hps-v2.0"): PublishedNetwork => ({
  ...publishedNetworks[like],
  network: { ...(publishedNetworks[like].network as Exclude<PublishedNetwork["network"], string>), sizes },
});
const tokenizerOf = (checkpoint: string) => resolve(goldenFolder, checkpoint, "tokenizer");
const picturesOn = (device: Device, names: readonly string[], [height, width]: readonly [number, number]) =>
  tensor(Float32Array.from(names.flatMap((name) => [...formulaPicture(name, height, width)])), {
    shape: [names.length, 3, height, width],
    device,
  })
    .div(127.5)
    .sub(1);

describe.each(devices)("a CLIP from a file in OpenCLIP's layout, on $name", ({ device }) => {
  const sizes = clipSizesOf(clip.networks.tiny);
  let network: ClipFeatureNetwork;
  beforeAll(async () => {
    const path = write("tiny.safetensors", tinyShapes("tiny"), clip.rules);
    network = (await loadPublished(tiny(sizes, "clip-g14"), path, { device, tokenizer: tokenizerOf("sd15-tiny") })) as ClipFeatureNetwork;
  });
  afterAll(() => network[Symbol.dispose]());

  test("sees pictures of its own size as open_clip does after its normalisation", async () => {
    const pictures = picturesOn(device, ["tiny 0", "tiny 1"], [sizes.image.size, sizes.image.size]);
    const { data, shape } = await network.features(pictures);
    expect(shape).toEqual([2, sizes.embed]);
    const golden = await goldenTensors("judges/open-clip");
    expect(await relativeError(tensor(data, { shape }), golden("tiny.prepared", { device: cpu }))).toBeLessThan(1e-5);
  });

  test("scores pictures and prompts by the mean cosine, the prompts behind the score's own words", async () => {
    const pictures = picturesOn(device, ["one", "two"], [40, 56]);
    const prompts = ["a red cat", "a dog"];
    const said = await network.texts(prompts.map((prompt) => `A photo depicts ${prompt}`));
    expect(await network.score(pictures, prompts)).toBe(clipScore(await network.features(pictures), said));
    expect(await network.score(pictures, prompts)).not.toBeCloseTo(
      clipScore(await network.features(pictures), await network.texts(prompts)),
    );
  });
});

test("a deeper network takes no more memory beside its weights", async () => {
  const sizes = clipSizesOf(clip.networks.tiny);
  const beside = async (layers: number) => {
    const deep = { ...sizes, image: { ...sizes.image, layers } };
    const path = write(
      "deep.safetensors",
      manifest((p) => openClip(p, deep)),
      clip.rules,
    );
    const device = createCpu();
    using network = await loadPublished(tiny(deep, "clip-g14"), path, { device });
    const weights = device.memory().bytes;
    await network.features(tensor(new Float32Array(8 * 3 * 32 * 32), { shape: [8, 3, 32, 32], device }));
    return device.memory().peakBytes - weights;
  };
  expect(await beside(7)).toBe(await beside(2));
});

describe("HPSv2 from a file", () => {
  const sizes = clipSizesOf(clip.networks["tiny-quickgelu"]);
  const load = async (path: string, tokenizer?: string) =>
    (await loadPublished(tiny(sizes, "hps-v2.0"), path, { device: cpu, ...(tokenizer && { tokenizer }) })) as ClipFeatureNetwork;
  const plain = () => write("hps.safetensors", tinyShapes("tiny-quickgelu"), clip.rules);

  test("scores by 100 times the cosine of the prompt alone", async () => {
    using network = await load(plain(), tokenizerOf("sd21-tiny"));
    const pictures = picturesOn(cpu, ["one"], [30, 44]);
    const score = hpsScore(await network.features(pictures), await network.texts(["a red cat"]));
    expect(await network.score(pictures, ["a red cat"])).toBe(score);
  });

  test("is the same with the prefix that training on several GPUs leaves", async () => {
    const several = write("several.safetensors", tinyShapes("tiny-quickgelu"), clip.rules, (name) => `module.${name}`);
    using a = await load(several);
    using b = await load(plain());
    const pictures = picturesOn(cpu, ["one"], [30, 30]);
    expect((await a.features(pictures)).data).toEqual((await b.features(pictures)).data);
  });

  test("keeps its weights in f16 where asked, and computes in f32", async () => {
    using half = (await loadPublished(tiny(sizes, "hps-v2.0"), plain(), { device: cpu, dtype: "f16" })) as ClipFeatureNetwork;
    using full = await load(plain());
    const pictures = picturesOn(cpu, ["one"], [30, 30]);
    const [a, b] = [await half.features(pictures), await full.features(pictures)];
    const off = await relativeError(tensor(a.data, { shape: a.shape }), tensor(b.data, { shape: b.shape }));
    // Weights are off by up to 2⁻¹² each and independently, which two layers turn into some 1e-3; nothing at all would mean they are not f16.
    expect(off).toBeGreaterThan(1e-6);
    expect(off).toBeLessThan(5e-3);
  });

  test("tells of what is in the file beside it, but not of buffers", async () => {
    const more = [...tinyShapes("tiny-quickgelu"), ["score_head.bias", [3]], ["attn_mask", [77, 77]]] as const;
    const warnings: string[] = [];
    const path = write("more.safetensors", more, clip.rules);
    const network = await loadPublished(tiny(sizes, "hps-v2.0"), path, { device: cpu, onWarning: (text) => warnings.push(text) });
    network[Symbol.dispose]();
    expect(warnings).toEqual([`${path}: ignored 1 tensors, which the network does not have: score_head.bias.`]);
  });

  test("has no texts without a tokenizer, or with another's", async () => {
    using silent = await load(plain());
    await expect(silent.texts(["a"])).rejects.toThrow("there is no tokenizer. Give CLIP's, such as tokenizer/ of a Stable Diffusion.");
    using foreign = await load(plain(), tokenizerOf("sd15-tiny"));
    await expect(foreign.texts(["a"])).rejects.toThrow("the tokenizer has 834 ids and the network 794.");
  });
});

describe("Inception from a file in pytorch-fid's layout", () => {
  const { cases, rules }: { cases: { name: string; height: number; width: number; prepare: string }[]; rules: FormulaRule[] } =
    goldenJson("judges/inception");
  const shapes = Object.entries(goldenJson("judges/inception-manifest").tensors as Record<string, number[]>);
  let path: string;
  beforeAll(() => {
    path = write("inception.safetensors", shapes, rules);
  });

  // 299 × 299 is 11.4 GFLOP a picture: a minute of the reference.
  const gpus = devices.filter(({ device }) => device !== cpu).flatMap(({ device }) => cases.map((one) => ({ ...one, device })));
  test.each(gpus.filter(({ prepare }) => prepare !== "none"))("features $name are pytorch-fid's network's", async (one) => {
    const { device, prepare, name, height, width } = one;
    const resize = prepare as "pytorch-fid" | "clean-fid";
    using network = await loadFeatureNetwork({ kind: "inception", path, device, resize });
    const { data, shape } = await network.features(picturesOn(device, [name], [height, width]));
    expect(shape).toEqual([1, 2048]);
    const golden = await goldenTensors("judges/inception");
    // PyTorch's own f32 is 2e-7 away. Resizing adds 1e-6 of a picture's scale, which the layers keep.
    expect(await relativeError(tensor(data, { shape }), golden(`${name}.features`, { device: cpu }))).toBeLessThan(1e-5);
  });

  test("holds one copy of its weights, whatever scope it is loaded in, and none once it is disposed", async () => {
    const device = createCpu();
    const network = await scope(() => loadFeatureNetwork({ kind: "inception", path, device }));
    // A norm's four numbers a channel have become one.
    const channels = shapes.reduce((n, [name, shape]) => n + (name.endsWith("running_var") ? sizeOf(shape) : 0), 0);
    const numbers = shapes.reduce((n, [, shape]) => n + sizeOf(shape), 0) - 3 * channels;
    expect(device.memory().bytes).toBe(4 * numbers);
    network[Symbol.dispose]();
    expect(device.memory().bytes).toBe(0);
  });

  test("that lacks a norm is refused by the name of its first number", async () => {
    const lacking = write("lacking.safetensors", shapes, rules, (name) => (name.startsWith("Mixed_5b.branch1x1.bn") ? undefined : name));
    await expect(loadFeatureNetwork({ kind: "inception", path: lacking, device: cpu })).rejects.toThrow(
      `${lacking}: 4 of 472 tensors are missing, the first is "Mixed_5b.branch1x1.bn.weight" [64]; it has nothing in its place. Give Inception-v3`,
    );
  });

  test("is not taken for a CLIP, and the message says for what it can be taken", async () => {
    await expect(loadFeatureNetwork({ kind: "clip-g14", path, device: cpu })).rejects.toThrow(
      `${path}: 782 of 782 tensors are missing, the first is "visual.conv1.weight" [1408, 3, 14, 14]; ` +
        'what it has that is not expected begins with "Conv2d_1a_3x3.bn.bias" [32]. It is a file for inception.',
    );
  });
});

describe("a file that is not there, or is none", () => {
  test("is answered by which one is needed, its size, where it is published and its layout", async () => {
    const path = join(folder, "none.safetensors");
    await expect(loadFeatureNetwork({ kind: "clip-g14", path, device: cpu })).rejects.toThrow(
      `${path}: there is no such file or folder. Give OpenCLIP ViT-g-14 of laion/CLIP-ViT-g-14-laion2B-s12B-b42K: open_clip_model.safetensors or ` +
        "open_clip_pytorch_model.bin of https://huggingface.co/laion/CLIP-ViT-g-14-laion2B-s12B-b42K, 5.47 GB in f32, 782 tensors by OpenCLIP's names,",
    );
    await expect(loadFeatureNetwork({ kind: "inception", path, device: cpu })).rejects.toThrow(
      "96 MB in f32, 472 tensors by pytorch-fid's names",
    );
    await expect(loadFeatureNetwork({ kind: "hps-v2.1", path, device: cpu })).rejects.toThrow(
      "HPS_v2.1_compressed.pt HPS_v2.1_compressed.safetensors",
    );
  });

  test("is answered by how it is converted, where PyTorch wrote it", async () => {
    const path = join(folder, "HPS_v2_compressed.pt");
    writeFileSync(path, Uint8Array.of(0x50, 0x4b, 3, 4, ...new Array<number>(60).fill(1)));
    await expect(loadFeatureNetwork({ kind: "hps-v2.0", path, device: cpu })).rejects.toThrow(
      /Only safetensors files are read\. Give HPS v2\.0, .* converted once: python -c "import sys,torch;/,
    );
  });

  test("of other sizes is answered by the first shape that differs", async () => {
    const sizes = clipSizesOf(clip.networks.tiny);
    const path = write("wide.safetensors", tinyShapes("tiny"), clip.rules);
    const wide = tiny({ ...sizes, embed: 25 }, "clip-g14");
    expect(manifest((p) => openClip(p, { ...sizes, embed: 25 })).get("visual.proj")).toEqual([32, 25]);
    await expect(loadPublished(wide, path, { device: cpu })).rejects.toThrow(
      `${path}: "visual.proj" is [32, 24] in the file and [32, 25] in the network.`,
    );
  });

  test("of a kind there is none of is answered by all kinds", async () => {
    await expect(loadFeatureNetwork({ kind: "vgg" as "inception", path: "x", device: cpu })).rejects.toThrow(
      'network: "vgg" is no kind. Give one of inception, clip-b32, clip-l14, clip-h14, clip-g14, hps-v2.0, hps-v2.1.',
    );
  });
});
