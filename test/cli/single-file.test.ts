import { mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { goldenFolder } from "../models/goldens.ts";
import { beside, fullSize, headerOnly } from "../models/single-files.ts";
import { build, root, snoopi, temporary, tiny } from "./command.ts";

// Checkpoints of full size, whose gigabytes are a hole on the disk: all that comes before weights are read can be seen with them.

let folder: ReturnType<typeof temporary>;
let file: string;
beforeAll(build);
beforeEach(() => {
  folder = temporary();
  file = join(folder.path, "model.safetensors");
});
afterEach(() => folder.remove());

async function write(shapes: ReadonlyMap<string, readonly number[]>): Promise<void> {
  const source = headerOnly(shapes);
  const length = 8 + Number(new DataView((await source.read(0, 8)).buffer).getBigUint64(0, true));
  writeFileSync(file, await source.read(0, length));
  truncateSync(file, source.size);
}

const generate = (...more: string[]) =>
  snoopi(["generate", "--model", file, "--prompt", "a", "--out", join(folder.path, "x.png"), "--device", "cpu", ...more]);

test("inspect says that it is one, and then what it says of a folder", async () => {
  await write(new Map([...fullSize(1), ...beside(1)]));
  const { code, stdout, stderr } = await snoopi(["inspect", file]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.split("\n")).toEqual([
    `${file}: a checkpoint of Stable Diffusion 1 in a single file, 1,142 tensors, 2.13 GB; read as a folder:`,
    `${file}: StableDiffusionPipeline`,
    "  component     class                  parameters  dtypes    bytes  files",
    "  scheduler     PNDMScheduler",
    "  text_encoder  CLIPTextModel         123,060,480  F16      246 MB  model.safetensors",
    "  tokenizer     CLIPTokenizer",
    "  unet          UNet2DConditionModel  859,520,964  F16     1.72 GB  diffusion_pytorch_model.safetensors",
    "  vae           AutoencoderKL          83,653,863  F16      167 MB  diffusion_pytorch_model.safetensors",
    "weights and configs agree: nothing is missing, unexpected or of another shape",
    "schedule (PNDMScheduler): predicts epsilon, 1000 timesteps, scaled_linear betas 0.00085 to 0.012, leading spacing",
    "picture: 512×512 unless told otherwise, any multiples of 8",
    expect.stringMatching(/^generate at 512×512 in 25 steps with guidance: 2\.17 GB of weights and \d+ MB of activations at once, /),
    expect.stringMatching(/^12 of its tensors are left out, as they are not parameters: .*, .*, .*, .* and 8 more$/),
    "",
  ]);
});

test("inspect of one that generate cannot use lists it, and says what it is", async () => {
  await write(new Map([...fullSize(2), ["model.diffusion_model.label_emb.0.0.weight", [1280, 2816]]]));
  const { code, stdout } = await snoopi(["inspect", file]);
  expect(code).toBe(1);
  expect(stdout).toContain("\nnetwork: Stable Diffusion XL\n");
  expect(stdout).toContain(
    "\ngenerate cannot use it: it is Stable Diffusion XL. Only text-to-image checkpoints of Stable Diffusion 1 and 2 are supported.\n",
  );
});

test("inspect of one that is not complete lists what is missing", async () => {
  const shapes = new Map(fullSize(2));
  shapes.delete("model.diffusion_model.out.2.bias");
  await write(shapes);
  const { code, stdout } = await snoopi(["inspect", file]);
  expect(code).toBe(1);
  expect(stdout).toContain("\nunet: 1 missing: conv_out.bias\n");
});

test("generate takes it where it takes a folder", async () => {
  await write(fullSize(1));
  expect((await generate("--width", "60")).stderr).toBe("snoopi: generate: the width is 60, and this model makes multiples of 8. Try 64.");
  const other = join(goldenFolder, "lora/kohya.safetensors");
  const { code, stderr } = await generate("--lora", other);
  expect(code).toBe(1);
  expect(stderr).toContain("\nmodel: model.safetensors with kohya.safetensors:1, 25 steps with guidance 7.5\n");
  expect(stderr).toContain(`snoopi: ${other}: `);
});

test("generate says what another file is", async () => {
  file = join(goldenFolder, "lora/kohya.safetensors");
  expect(await generate()).toEqual({
    code: 1,
    stdout: "",
    stderr: `snoopi: ${file}: it is a LoRA. Add it to a model with --lora FILE, or openLora in code.`,
  });
  file = join(tiny("sd15"), "vae/diffusion_pytorch_model.safetensors");
  expect((await generate()).stderr).toBe(
    `snoopi: ${file}: it is a VAE by itself. Give a checkpoint with text encoder, UNet and VAE, or a diffusers folder.`,
  );
});

test("a dry run of distill counts with it, and what reads files beside each other asks for a folder", async () => {
  await write(fullSize(1));
  const config = join(root, "packages/snoopi/configs/pg-sb-sd15-lora.json");
  const dry = await snoopi(["distill", "--config", config, "--set", "clip.weight=0", "--model", file, "--dry-run", "--device", "cpu"]);
  expect(dry.stdout).toContain("parameters: teacher 859,520,964, frozen\n");
  const line = (command: string) =>
    `snoopi: ${file}: this is a file, and ${command} needs a model's folder. Make one: snoopi convert ${file} --out DIR.`;
  const out = join(folder.path, "out");
  expect((await snoopi(["distill", "--config", config, "--model", file, "--out", out])).stderr).toBe(line("distill"));
  expect((await snoopi(["eval", "guidance", "--model", file, "--out", out])).stderr).toBe(line("eval"));
  expect(readdirSync(folder.path)).toEqual(["model.safetensors"]);
});

test("convert refuses what it cannot make a folder of, and leaves nothing", async () => {
  const out = join(folder.path, "out");
  const convert = async (...words: string[]) => (await snoopi(["convert", ...words, "--out", out])).stderr;
  const shapes = new Map(fullSize(1));
  shapes.delete("model.diffusion_model.out.2.bias");
  await write(shapes);
  expect(await convert(file)).toBe(
    `snoopi: ${file}/unet: 1 tensor missing: conv_out.bias. The config and the weights are not of the same model.`,
  );
  expect(await convert(tiny("sd15"))).toBe(
    `snoopi: ${tiny("sd15")}: this is a folder already. Give the .safetensors file of a checkpoint.`,
  );
  expect(await convert(join(folder.path, "nothing"))).toBe(`snoopi: ${folder.path}/nothing: there is no such file or folder.`);
  expect(await convert(file, "--predicts", "noise")).toBe(
    'snoopi: convert: --predicts is "noise". Give one of epsilon, v_prediction, sample.',
  );
  expect(readdirSync(folder.path)).toEqual(["model.safetensors"]);
  await write(fullSize(2));
  mkdirSync(out);
  writeFileSync(join(out, "a"), "");
  expect(await convert(file, "--predicts", "v_prediction")).toBe(
    `model.safetensors: Stable Diffusion 2, predicts v_prediction, pictures of 768×768\nsnoopi: ${out}: it exists already. Choose another place with --out, or move it away.`,
  );
});
