import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type JsonObject, manifest } from "@snoopi/models";
import { writeSafetensors } from "@snoopi/models/node";
import { pixartShape } from "@snoopi/snoopi";
import { goldenFolder, goldenJson } from "../models/goldens.ts";
import { type FormulaRule, formulaParameter } from "../oracles/formula.ts";

export interface PixArtGolden {
  readonly rules: readonly FormulaRule[];
  readonly configs: Readonly<Record<"text_encoder" | "transformer" | "vae" | "scheduler", JsonObject>>;
  readonly cases: readonly {
    readonly name: string;
    readonly prompt: string;
    readonly negative: string | null;
    readonly steps: number;
    readonly guidance: number;
    readonly nasaScale?: number;
    readonly timestep?: number;
    readonly seed: number;
    readonly width: number;
    readonly height: number;
  }[];
}

export const pixartGolden = goldenJson("pipeline/pixart") as PixArtGolden;

const classes = {
  tokenizer: ["transformers", "T5Tokenizer"],
  text_encoder: ["transformers", "T5EncoderModel"],
  transformer: ["diffusers", "PixArtTransformer2DModel"],
  vae: ["diffusers", "AutoencoderKL"],
  scheduler: ["diffusers", "DPMSolverMultistepScheduler"],
};

/** A folder as diffusers would have saved the pipeline that drew the goldens. */
export async function writePixArt(folder: string): Promise<void> {
  const { rules, configs } = pixartGolden;
  mkdirSync(folder);
  const write = (path: string, json: unknown) => writeFileSync(join(folder, path), JSON.stringify(json));
  write("model_index.json", { _class_name: "PixArtAlphaPipeline", ...classes });
  cpSync(join(goldenFolder, "t5-tokenizer/spiece"), join(folder, "tokenizer"), { recursive: true });
  for (const [name, config] of Object.entries(configs)) {
    mkdirSync(join(folder, name));
    write(`${name}/${name === "scheduler" ? "scheduler_config" : "config"}.json`, config);
  }
  const { text_encoder: textEncoder, ...others } = configs;
  for (const { component, whole } of pixartShape({ textEncoder, ...others }, { name: "golden", length: 120 }).networks) {
    const file = component === "text_encoder" ? "model" : "diffusion_pytorch_model";
    const tensors = [...manifest(whole)].map(
      ([name, shape]) => [name, { dtype: "f32", shape, data: formulaParameter(name, shape, rules) }] as const,
    );
    await writeSafetensors(join(folder, component, `${file}.safetensors`), tensors);
  }
}
