import { expect, test } from "vitest";
import { type Folder, filesFolder } from "./folder.ts";
import { openComponentWeights } from "./pipeline.ts";
import { encodeSafetensors } from "./safetensors-write.ts";

/** A safetensors file of one-element tensors: name → value. */
function file(values: Record<string, number>): Blob {
  const tensors = Object.entries(values).map(
    ([name, value]) => [name, { dtype: "f32" as const, shape: [1], data: Float32Array.of(value) }] as const,
  );
  return new Blob(encodeSafetensors(tensors) as BlobPart[]);
}
const index = (map: Record<string, unknown>) => new Blob([JSON.stringify({ metadata: { total_size: 8 }, weight_map: map })]);
const folder = (files: Record<string, Blob>): Folder => filesFolder(new Map(Object.entries(files)), "unet");

/** The first value of "w" tells which file was chosen. */
async function chosen(files: Record<string, Blob>, variant?: string) {
  const weights = await openComponentWeights(folder(files), variant === undefined ? {} : { variant });
  return [weights.variant, (await weights.read("w")).data[0]];
}

const plain = file({ w: 1 });
const half = file({ w: 2 });
const training = file({ w: 3 });

test.each(["diffusion_pytorch_model", "model"])("%s files are found, plain before fp16, and never non_ema", async (base) => {
  const files = { [`${base}.safetensors`]: plain, [`${base}.fp16.safetensors`]: half, [`${base}.non_ema.safetensors`]: training };
  expect(await chosen(files)).toEqual(["", 1]);
  expect(await chosen(files, "fp16")).toEqual(["fp16", 2]);
  expect(await chosen(files, "bf16")).toEqual(["", 1]);
  delete files[`${base}.safetensors`];
  expect(await chosen(files)).toEqual(["fp16", 2]);
  delete files[`${base}.fp16.safetensors`];
  await expect(chosen(files)).rejects.toThrow('unet: there are only weights of the variants non_ema. Choose one with "variant".');
});

test.each([
  ["today's names", "m.safetensors.index.fp16.json", "m.fp16-00001-of-00002.safetensors", "m.fp16-00002-of-00002.safetensors"],
  ["the old names", "m.safetensors.fp16.index.json", "m-00001-of-00002.fp16.safetensors", "m-00002-of-00002.fp16.safetensors"],
  ["plain names", "m.safetensors.index.json", "m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"],
])("shards are joined under %s", async (_, list, first, second) => {
  const full = (name: string) => name.replace(/^m/, "diffusion_pytorch_model");
  const files = {
    [full(list)]: index({ w: full(first), v: full(second) }),
    [full(first)]: file({ w: 5 }),
    [full(second)]: file({ v: 6 }),
  };
  const weights = await openComponentWeights(folder(files));
  expect([...weights.entries.keys()].sort()).toEqual(["v", "w"]);
  expect(weights.bytes).toBe(8);
  expect([(await weights.read("w")).data[0], (await weights.read("v")).data[0]]).toEqual([5, 6]);
  await expect(weights.read("u")).rejects.toThrow('unet: there is no tensor "u".');
});

const listed = "model.safetensors.index.json";
test.each<[string, Record<string, Blob>, string]>([
  [
    "only pickles",
    { "pytorch_model.bin": plain, "x.ckpt": plain },
    "the weights are in pytorch_model.bin, x.ckpt, and only safetensors is read",
  ],
  ["no weights", { "config.json": plain }, "unet: there are no weights. Expected diffusion_pytorch_model.safetensors or model.safetensors"],
  [
    "a shard outside",
    { [listed]: index({ w: "../../etc/secret.safetensors" }) },
    'the shard "../../etc/secret.safetensors" is not the name of',
  ],
  ["a shard with an absolute path", { [listed]: index({ w: "/a.safetensors" }) }, "is not the name of"],
  ["a shard with a Windows path", { [listed]: index({ w: "C:\\a.safetensors" }) }, "is not the name of"],
  ["a shard that is a pickle", { [listed]: index({ w: "a.bin" }) }, "is not the name of"],
  ["a shard that is a number", { [listed]: index({ w: 1 }) }, "the shard 1 is not the name of"],
  [
    "missing shards",
    { [listed]: index({ w: "a.safetensors", v: "b.safetensors" }) },
    "2 of 2 shards are missing: a.safetensors, b.safetensors",
  ],
  ["no weight_map", { [listed]: new Blob(["{}"]) }, "weight_map is not an object"],
  ["an empty weight_map", { [listed]: index({}) }, "weight_map is empty"],
  ["an index that is not JSON", { [listed]: new Blob(["{"]) }, `unet/${listed}: this is not JSON`],
  [
    "a tensor in two shards",
    { [listed]: index({ w: "a.safetensors", v: "b.safetensors" }), "a.safetensors": file({ w: 1 }), "b.safetensors": file({ v: 1, w: 1 }) },
    'the tensor "w" is both in unet/a.safetensors and in unet/b.safetensors',
  ],
  [
    "tensors that their shard lacks",
    {
      [listed]: index({ w: "a.safetensors", v: "a.safetensors", u: "b.safetensors" }),
      "a.safetensors": file({ w: 1 }),
      "b.safetensors": file({}),
    },
    "2 tensors are not in the shard that the index names: v (a.safetensors), u (b.safetensors)",
  ],
  [
    "a damaged file",
    { "model.safetensors": new Blob(["version https://git-lfs.github.com/spec/v1"]) },
    "unet/model.safetensors: this is a Git LFS pointer",
  ],
])("a folder with %s is refused", async (_, files, message) => {
  await expect(openComponentWeights(folder(files))).rejects.toThrow(message);
});
