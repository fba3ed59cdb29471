import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cpu, fromData, type Shape } from "@snoopi/core";
import { autoencoderTiny, init, manifest, params, tinyVaeConfig, tinyVaeDecoder, toPixels } from "@snoopi/models";
import { writeSafetensors } from "@snoopi/models/node";
import { decodePng, loadModel, openModel, planOf, sample } from "@snoopi/snoopi";
import { nodeFolder } from "@snoopi/snoopi/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formulaParameter } from "../oracles/formula.ts";
import { copyOf, editJson } from "./broken-model.ts";
import { build, snoopi, temporary } from "./command.ts";

// A pipeline whose `vae/` is an AutoencoderTiny, as people put TAESD there.

const folder = temporary();
afterAll(() => folder.remove());
let model: string;

const json = {
  ...{ _class_name: "AutoencoderTiny", act_fn: "relu", latent_magnitude: 3, latent_shift: 0.5, scaling_factor: 1, force_upcast: false },
  ...{ encoder_block_out_channels: [8, 8, 8, 8], decoder_block_out_channels: [8, 8, 8, 8], block_out_channels: [8, 8, 8, 8] },
};
const config = tinyVaeConfig(json);
const rules = [{ suffix: "", center: 0, spread: 1.5, fanIn: true }];

beforeAll(async () => {
  build();
  model = copyOf("sd15", folder.path);
  editJson(join(model, "model_index.json"), (index) => (index.vae = ["diffusers", "AutoencoderTiny"]));
  rmSync(join(model, "vae/diffusion_pytorch_model.safetensors"));
  writeFileSync(join(model, "vae/config.json"), JSON.stringify(json));
  const tensors = [...manifest((p) => autoencoderTiny(p, config))].map(
    ([name, shape]) => [name, { dtype: "f32", shape, data: formulaParameter(name, shape, rules) }] as const,
  );
  await writeSafetensors(join(model, "vae/diffusion_pytorch_model.safetensors"), tensors);
});

test("inspect takes it for what it is, the folder and the file alone", async () => {
  const { code, stdout } = await snoopi(["inspect", model]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/\n {2}vae +AutoencoderTiny +39,527 +F32 /);
  expect(stdout).toContain("weights and configs agree: nothing is missing, unexpected or of another shape\n");
  expect(stdout).not.toContain("without a meaning");
  const file = await snoopi(["inspect", join(model, "vae/diffusion_pytorch_model.safetensors")]);
  expect(file.stdout).toContain("network: the AutoencoderTiny that vae/config.json describes\n");
});

test("generate draws by it, with latents as they are", async () => {
  const out = join(folder.path, "picture.png");
  const { code } = await snoopi([
    ...["generate", "--model", model, "--prompt", "a cat", "--steps", "1", "--out", out],
    ...["--device", "cpu", "--width", "16", "--height", "16"],
  ]);
  expect(code).toBe(0);
  using loaded = await loadModel(await openModel(nodeFolder(model)), { device: cpu });
  using latents = await sample(loaded, planOf(loaded.model, { prompt: "a cat", steps: 1, width: 16, height: 16 }));
  const formula = (path: string, shape: Shape) => fromData(formulaParameter(path, shape, rules), { shape, dtype: "f32", device: cpu });
  const [picture] = await toPixels(tinyVaeDecoder(params(init(formula)), config)(latents));
  expect(Buffer.from((await decodePng(readFileSync(out))).data).equals(picture.data)).toBe(true);
  expect(new Set(picture.data).size).toBeGreaterThan(20);
});
