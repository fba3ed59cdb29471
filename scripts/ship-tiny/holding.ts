import { join } from "node:path";
import { sizeOf } from "@snoopi/core";
import { openComponentWeights, readConfig, subfolder } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { isThere } from "../../packages/snoopi/src/train/node/folder.ts";
import { originOf } from "../../packages/snoopi/src/train/node/origin.ts";
import type { ModelName } from "./parts.ts";

/** What a model's folder in the package holds. */
export interface Holding {
  readonly model: ModelName;
  /** Whether it is a pipeline, not parts of one. */
  readonly whole: boolean;
  readonly components: readonly Component[];
  /** Identifies its autoencoder, if it has one. */
  readonly vae?: string;
}

interface Component {
  readonly name: string;
  readonly className: string;
  readonly parameters: number;
}

const networks = ["text_encoder", "unet", "vae", "clip"];

/** The models in the package's folder, read from their files. */
export async function holdings(folder: string): Promise<Holding[]> {
  const models = (["student", "teacher"] as const).filter((model) => isThere(join(folder, model)));
  return Promise.all(
    models.map(async (model) => {
      const path = join(folder, model);
      const there = networks.filter((name) => isThere(join(path, name)));
      const components = await Promise.all(there.map((name) => componentOf(path, name)));
      const vae = there.includes("vae") && { vae: await originOf(path, ["vae"]) };
      return { model, whole: isThere(join(path, "model_index.json")), components, ...vae };
    }),
  );
}

async function componentOf(path: string, name: string): Promise<Component> {
  const folder = subfolder(nodeFolder(path), name);
  const config = await readConfig(folder);
  const weights = await openComponentWeights(folder);
  await weights.close();
  const className = String(config._class_name ?? (config.architectures as string[])?.[0]);
  return { name, className, parameters: [...weights.entries.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0) };
}
