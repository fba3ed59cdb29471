import { join } from "node:path";
import type { JsonObject, TensorData } from "@snoopi/models";
import { writeSafetensors } from "@snoopi/models/node";
import { openOutput } from "../../cli/output.ts";
import type { Weights } from "../stage.ts";
import { makeFolder } from "./folder.ts";

/** Writes a file of JSON, whole or not at all, formatted as by diffusers. */
export async function writeJson(path: string, json: unknown): Promise<void> {
  await (await openOutput(path)).write(new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`));
}

export interface ComponentParts {
  readonly config: JsonObject;
  /** f32 where they say of no type. */
  readonly weights: Weights | ReadonlyMap<string, TensorData>;
  readonly library: "diffusers" | "transformers";
}

/** Writes one component of a diffusers pipeline: config.json and its weights, under the file name that its library looks for. */
export async function writeComponent(folder: string, { config, weights, library }: ComponentParts): Promise<void> {
  await makeFolder(folder);
  const file = library === "diffusers" ? "diffusion_pytorch_model.safetensors" : "model.safetensors";
  const tensors = [...weights].map(([name, numbers]) => [name, { dtype: "f32", ...numbers }] as const);
  await writeSafetensors(join(folder, file), tensors, { metadata: { format: "pt" } });
  await writeJson(join(folder, "config.json"), config);
}
