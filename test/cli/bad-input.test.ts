import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { claimLongHeader, copyOf, editHeader, editJson, halve, rename } from "./broken-model.ts";
import { build, snoopi, temporary, tiny, withoutAdapter } from "./command.ts";

// What a user gets wrong, and what a downloaded file may do: one line on stderr, exit code 1, no file.

let folder: ReturnType<typeof temporary>;
let out: string;
beforeAll(build);
beforeEach(() => {
  folder = temporary();
  mkdirSync(join(folder.path, "out"));
  out = join(folder.path, "out", "picture.png");
});
afterEach(() => folder.remove());

const generate = (...rest: string[]) => {
  const steps = rest.includes("--steps") ? [] : ["--steps", "1"];
  return snoopi(["generate", "--prompt", "a cat", "--out", out, "--device", "cpu", ...steps, ...rest]);
};

/** The run fails with this line and leaves nothing behind. `before`: what it may say until then. */
async function refuses(run: ReturnType<typeof snoopi>, line: string): Promise<void> {
  const { code, stdout, stderr } = await run;
  const said = stderr.split("\n").filter((text) => !/^(device: cpu|model: )/.test(text));
  expect(said).toEqual([line.replaceAll("DIR", join(folder.path, "model")).replaceAll("OUT", out)]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(readdirSync(join(folder.path, "out"))).toEqual([]);
}

const unet = "unet/diffusion_pytorch_model.safetensors";

interface Case {
  readonly what: string;
  readonly model?: "sd15" | "sd21" | "third";
  readonly broken: (folder: string) => void;
  readonly line: string;
}

const cases: readonly Case[] = [
  {
    what: "a model folder that is not there",
    broken: (dir) => rmSync(dir, { recursive: true }),
    line: "snoopi: DIR: there is no such file or folder.",
  },
  {
    what: "a folder that is no pipeline",
    broken: (dir) => rmSync(join(dir, "model_index.json")),
    line: "snoopi: DIR: there is no model_index.json, so this is not a diffusers pipeline. Give the folder that holds it.",
  },
  {
    what: "a pipeline of another kind",
    broken: (dir) => editJson(join(dir, "model_index.json"), (json) => (json._class_name = "StableDiffusionXLPipeline")),
    line: "snoopi: DIR: it is a StableDiffusionXLPipeline. Only StableDiffusionPipeline, PixArtAlphaPipeline, PixArtSigmaPipeline can be run.",
  },
  {
    what: "a config that is no JSON",
    broken: (dir) => writeFileSync(join(dir, "unet/config.json"), "{"),
    line: "snoopi: DIR/unet/config.json: this is not JSON (Expected property name or '}' in JSON at position 1).",
  },
  {
    what: "missing weights",
    broken: (dir) => rmSync(join(dir, unet)),
    line: "snoopi: DIR/unet: there are no weights. Expected diffusion_pytorch_model.safetensors or model.safetensors, or an index of shards.",
  },
  {
    what: "a truncated file",
    broken: (dir) => halve(join(dir, unet)),
    line: `snoopi: DIR/${unet}: the tensors end at byte 626280 and the file at byte 313140. The file is damaged or was not made by a safetensors writer.`,
  },
  {
    what: "a header that claims 2^60 bytes",
    broken: (dir) => claimLongHeader(join(dir, unet)),
    line: `snoopi: DIR/${unet}: the header claims 1152921504606846976 bytes, more than the allowed 100000000. This is not a safetensors file.`,
  },
  {
    what: "tensors that leave a hole",
    broken: (dir) =>
      editHeader(join(dir, unet), (header) => (header["conv_in.bias"].data_offsets = header["conv_norm_out.bias"].data_offsets)),
    line: `snoopi: DIR/${unet}: tensor "conv_in.weight" begins at byte 32 of the data where 0 is due. The file is damaged or was not made by a safetensors writer.`,
  },
  {
    what: "a shard index that points out of its folder",
    model: "sd21",
    broken: (dir) =>
      editJson(join(dir, "unet/diffusion_pytorch_model.safetensors.index.fp16.json"), (json) => {
        json.weight_map["conv_in.bias"] = "../vae/diffusion_pytorch_model.fp16.safetensors";
      }),
    line: 'snoopi: DIR/unet/diffusion_pytorch_model.safetensors.index.fp16.json: the shard "../vae/diffusion_pytorch_model.fp16.safetensors" is not the name of a safetensors file in its folder.',
  },
  {
    what: "a tensor of another shape",
    broken: (dir) => editHeader(join(dir, unet), (header) => (header["conv_in.bias"].shape = [2, 4])),
    line: "snoopi: DIR/unet: 1 tensor of another shape: conv_in.bias is [2, 4] in the file and [8] in the model. The config and the weights are not of the same model.",
  },
  {
    what: "missing tensors, all of them",
    broken: (dir) =>
      editHeader(join(dir, unet), (header) => {
        rename(header, "conv_in.bias", "conv_in.b");
        rename(header, "conv_out.bias", "conv_out.b");
      }),
    line: "snoopi: DIR/unet: 2 tensors missing: conv_in.bias, conv_out.bias. The config and the weights are not of the same model.",
  },
  {
    what: "an unknown scheduler",
    broken: (dir) => editJson(join(dir, "scheduler/scheduler_config.json"), (json) => (json._class_name = "MagicScheduler")),
    line:
      'snoopi: scheduler: _class_name is "MagicScheduler", only the noise schedules of DDIMScheduler, DDIMParallelScheduler, DDPMScheduler, DDPMParallelScheduler, PNDMScheduler, ' +
      "EulerDiscreteScheduler, EulerAncestralDiscreteScheduler, LMSDiscreteScheduler, DPMSolverMultistepScheduler, DPMSolverSinglestepScheduler, UniPCMultistepScheduler, " +
      "DEISMultistepScheduler, HeunDiscreteScheduler, KDPM2DiscreteScheduler, KDPM2AncestralDiscreteScheduler, DPMSolverSDEScheduler, LCMScheduler, TCDScheduler are known.",
  },
  {
    what: "an unknown block type",
    broken: (dir) => editJson(join(dir, "unet/config.json"), (json) => (json.down_block_types[0] = "MagicBlock2D")),
    line: 'snoopi: unet: down_block_types holds "MagicBlock2D", only CrossAttnDownBlock2D, DownBlock2D are supported.',
  },
];

describe("a model", () => {
  test.each(cases)("with $what is refused", async ({ model = "sd15", broken, line }) => {
    const dir = copyOf(model, folder.path);
    broken(dir);
    await refuses(generate("--model", dir), line);
  });

  test("with a tensor nobody knows makes a picture and a warning", async () => {
    const dir = copyOf("third", folder.path);
    editHeader(join(dir, unet), (header, end) => (header.extra = { dtype: "F32", shape: [0], data_offsets: [end, end] }));
    const { code, stderr } = await generate("--model", dir);
    expect(code).toBe(0);
    expect(stderr).toContain("snoopi: warning: unet: ignored 1 of the file's tensors, which the network does not have: extra.");
    expect(existsSync(out)).toBe(true);
  });

  test("with a config key nobody knows makes a picture and a warning", async () => {
    const dir = copyOf("third", folder.path);
    editJson(join(dir, "vae/config.json"), (json) => (json.magic = 1));
    const { code, stderr } = await generate("--model", dir);
    expect(code).toBe(0);
    expect(stderr.split("\n")[0]).toBe("snoopi: warning: vae.magic in the model's config is unknown and was ignored.");
  });
});

describe("an argument", () => {
  test.each([
    [["--width", "60"], "snoopi: generate: the width is 60, and this model makes multiples of 8. Try 64."],
    [["--height", "4"], "snoopi: generate: the height is 4, and this model makes multiples of 8. Try 8."],
    [["--seed", "one"], 'snoopi: generate: --seed is "one". Give a whole number from -2^63 to 2^64 - 1.'],
    [["--negative", "dog", "--nasa-scale", "much"], 'snoopi: generate: --nasa-scale is "much". Give a number, 0 or more.'],
    [
      ["--steps", "1001"],
      "snoopi: timesteps: cannot take 1001 steps. Pass a whole number from 1 to 1000, the timesteps the model was trained on.",
    ],
  ])("%j is refused", async (args, line) => {
    await refuses(generate("--model", tiny("sd15"), ...args), line);
  });
});

describe("an output", () => {
  test("in a folder that is not there is refused", async () => {
    rmSync(join(folder.path, "out"), { recursive: true });
    const { code, stderr } = await generate("--model", tiny("sd15"));
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `snoopi: ${out}: it cannot be written, there is no such folder. Choose another place with --out.`,
    });
  });

  test("that is a folder is refused", async () => {
    mkdirSync(out);
    const { code, stderr } = await generate("--model", tiny("sd15"));
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `snoopi: ${out}: it cannot be written, there is something that is not a file. Choose another place with --out.`,
    });
    expect(readdirSync(out)).toEqual([]);
  });

  // Root may write everywhere but into the kernel's own folders.
  test.skipIf(!existsSync("/sys/kernel"))("in a folder without permission is refused", async () => {
    const { code, stderr } = await snoopi([
      "generate",
      "--model",
      tiny("sd15"),
      "--prompt",
      "a cat",
      "--out",
      "/sys/kernel/a.png",
      "--device",
      "cpu",
    ]);
    expect(code).toBe(1);
    // Containers mount it read-only.
    expect(stderr).toMatch(
      /^snoopi: \/sys\/kernel\/a\.png: it cannot be written, (permission denied|the file system is read-only)\. Choose another place with --out\.$/,
    );
  });
});

test("webgpu without an adapter is refused, and says what to do", async () => {
  await refuses(
    snoopi(["generate", "--model", tiny("sd15"), "--prompt", "a cat", "--out", out, "--device", "webgpu"], withoutAdapter),
    "snoopi: webgpu: there is no adapter on this machine. Install the GPU's driver (on Linux that for Vulkan) or Mesa's lavapipe, which needs no GPU: mesa-vulkan-drivers of Mesa 24 or newer, which npm run setup in snoopi's repository installs on Debian and Ubuntu. Or use device cpu.",
  );
});

test("with DEBUG the stack follows the line, and without it does not", async () => {
  const args = ["generate", "--model", tiny("sd15"), "--prompt", "a cat", "--out", join(folder.path, "no", "a.png")];
  const { stderr } = await snoopi(args, { DEBUG: "1" });
  expect(stderr).toMatch(/^snoopi: .*\nSnoopiError: .*\n {4}at /);
  expect(stderr).toContain("caused by Error: ENOENT");
  expect((await snoopi(args)).stderr).not.toContain("at ");
});
