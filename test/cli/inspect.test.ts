import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { goldenFolder } from "../models/goldens.ts";
import { copyOf, editHeader, editJson, rename } from "./broken-model.ts";
import { build, snoopi, temporary, tiny } from "./command.ts";

let folder: ReturnType<typeof temporary>;
beforeAll(build);
beforeEach(() => {
  folder = temporary();
});
afterEach(() => folder.remove());

const inspect = (...args: string[]) => snoopi(["inspect", ...args]);

test("a model's folder is listed with its components, schedule, size and what generate takes", async () => {
  const { code, stdout, stderr } = await inspect(tiny("sd21"));
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.split("\n")).toEqual([
    `${tiny("sd21")}: StableDiffusionPipeline`,
    "  component     class                 parameters  dtypes   bytes  files",
    "  scheduler     DDIMScheduler",
    "  text_encoder  CLIPTextModel             93,064  F16     186 kB  model.fp16.safetensors",
    "  tokenizer     CLIPTokenizer",
    "  unet          UNet2DConditionModel     209,412  F16     419 kB  diffusion_pytorch_model.fp16-00001-of-00003.safetensors and 2 more",
    "  vae           AutoencoderKL             88,023  F16     176 kB  diffusion_pytorch_model.fp16.safetensors",
    "weights and configs agree: nothing is missing, unexpected or of another shape",
    "schedule (DDIMScheduler): predicts v_prediction, 1000 timesteps, scaled_linear betas 0.00085 to 0.012, leading spacing",
    "picture: 96×96 unless told otherwise, any multiples of 8",
    expect.stringMatching(
      /^generate at 96×96 in 25 steps with guidance: [\d.]+ kB of weights and [\d.]+ MB of activations at once, [\d.]+ MB on a GPU with buffers kept for reuse; [\d.]+ [MG]FLOP$/,
    ),
    "",
  ]);
});

test("missing, unexpected and misshapen tensors and unknown keys are listed, and the exit code says that generate cannot use them", async () => {
  const dir = copyOf("sd15", folder.path);
  editHeader(join(dir, "unet/diffusion_pytorch_model.safetensors"), (header) => {
    rename(header, "conv_in.bias", "conv_in.b");
    header["conv_out.bias"].shape = [2, 2];
  });
  editHeader(join(dir, "vae/diffusion_pytorch_model.safetensors"), (header) => rename(header, "encoder.conv_in.bias", "encoder.conv_in.b"));
  editJson(join(dir, "vae/config.json"), (json) => (json.magic = 1));
  const { code, stdout } = await inspect(dir);
  expect(code).toBe(1);
  const lines = stdout.split("\n");
  for (const line of [
    "text_encoder: 1 left out as no parameters: text_model.embeddings.position_ids",
    "unet: 1 missing: conv_in.bias",
    "unet: 1 of another shape: conv_out.bias is [2, 2] in the file and [4] in the model",
    "unet: 1 unexpected, to be ignored: conv_in.b",
    "vae: 1 missing that generate does not need: encoder.conv_in.bias",
    "config keys without a meaning here: vae.magic",
    "generate cannot use it: unet: 1 missing.",
    "generate cannot use it: unet: 1 of another shape.",
  ]) {
    expect(lines).toContain(line);
  }
  expect(stdout).not.toContain("weights and configs agree");
});

test("a pipeline of another kind is listed all the same", async () => {
  const dir = copyOf("third", folder.path);
  editJson(join(dir, "model_index.json"), (json) => (json._class_name = "MagicPipeline"));
  const { code, stdout } = await inspect(dir);
  expect(code).toBe(1);
  expect(stdout).toContain("UNet2DConditionModel       141,922  BF16     284 kB");
  expect(stdout).toContain(`generate cannot use it: ${dir}: it is a MagicPipeline.`);
});

test("a file is listed with its dtypes, metadata and tensors, and its network is told by its config", async () => {
  const { code, stdout } = await inspect(join(tiny("sd15"), "vae/diffusion_pytorch_model.safetensors"));
  expect(code).toBe(0);
  expect(stdout).toContain(
    "  F32        180      67,231  269 kB\nmetadata: format=pt\nnetwork: the AutoencoderKL that vae/config.json describes\n",
  );
  expect(stdout).toMatch(/\n {2}and 168 more\n$/);
});

test("a LoRA is told by its names, and one that cannot be used by what is wrong with it", async () => {
  const lora = join(goldenFolder, "lora/kohya.safetensors");
  expect((await inspect(lora)).stdout).toContain("network: a LoRA of 36 layers, of rank 2, 3, for generate --lora\n");
  const broken = join(folder.path, "dora.safetensors");
  copyFileSync(lora, broken);
  editHeader(broken, (header, end) => (header["lora_unet_x.dora_scale"] = { dtype: "F32", shape: [0], data_offsets: [end, end] }));
  const { code, stdout } = await inspect(broken);
  expect(code).toBe(1);
  expect(stdout).toContain(`network: a LoRA that generate cannot use: ${broken}: 1 of its 109 tensors are not`);
});

test("a file of no known network is not taken for one", async () => {
  const { stdout } = await inspect(join(tiny("sd15"), "../ops.safetensors"));
  expect(stdout).toContain("network: none that is known for certain");
});

test("names in a file cannot move the terminal's cursor", async () => {
  const dir = copyOf("third", folder.path);
  const file = join(dir, "unet/diffusion_pytorch_model.safetensors");
  editHeader(file, (header, end) => (header["\u001b[2Jextra\u202e"] = { dtype: "F32", shape: [0], data_offsets: [end, end] }));
  const { stdout } = await inspect(dir);
  expect(stdout).toContain("unexpected, to be ignored: \\u001b[2Jextra\\u202e");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
});

test("a path that is not there is refused", async () => {
  const { code, stderr } = await inspect(join(folder.path, "nothing"));
  expect({ code, stderr }).toEqual({ code: 1, stderr: `snoopi: ${join(folder.path, "nothing")}: there is no such file or folder.` });
});
