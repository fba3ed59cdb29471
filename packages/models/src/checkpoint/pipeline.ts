import { SnoopiError } from "@snoopi/core";
import { type Folder, type JsonObject, readJson, subfolder } from "./folder.ts";
import { findWeightFiles, variantsIn } from "./weight-files.ts";
import { type ComponentWeights, openWeights } from "./weights.ts";

/** One entry of model_index.json: a folder and the class that wrote it. */
export interface PipelineComponent {
  readonly name: string;
  /** "diffusers", "transformers", or the name of a pipeline module. */
  readonly library: string;
  readonly className: string;
  readonly folder: Folder;
}

/** A folder as diffusers' `save_pretrained` writes it. Nothing is read until it is asked for. */
export interface PipelineFolder {
  readonly name: string;
  readonly className: string;
  /** The components present; those given as `[null, null]` are absent. */
  readonly components: ReadonlyMap<string, PipelineComponent>;
  /** The other values, such as `force_zeros_for_empty_prompt`. */
  readonly args: JsonObject;
  /** The component, or an error that names the ones there are. */
  component(name: string): PipelineComponent;
  /** The component's config.json, or scheduler_config.json. */
  config(name: string): Promise<JsonObject>;
  /** The component's tensors. Close them after use. */
  weights(name: string): Promise<ComponentWeights>;
}

/**
 * Reads model_index.json. `variant`: take weight files of this variant ("fp16") where a component has them.
 * @throws SnoopiError if the folder is not a pipeline, and for a variant that no component has.
 */
export async function openPipelineFolder(folder: Folder, options: { variant?: string } = {}): Promise<PipelineFolder> {
  const names = await folder.list();
  if (!names.includes("model_index.json")) {
    const hint = names.includes("config.json") ? " It looks like a single component of one." : "";
    throw new SnoopiError(
      `${folder.name}: there is no model_index.json, so this is not a diffusers pipeline.${hint} Give the folder that holds it.`,
    );
  }
  const { _class_name: className, ...index } = await readJson(folder, "model_index.json");
  const where = `${folder.name}/model_index.json`;
  if (Array.isArray(className)) {
    throw new SnoopiError(`${where}: the pipeline ${JSON.stringify(className)} is code inside the model folder, which is never run.`);
  }
  if (typeof className !== "string")
    throw new SnoopiError(`${where}: _class_name is ${JSON.stringify(className)}, not the name of a class.`);

  const components = new Map<string, PipelineComponent>();
  const args: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(index)) {
    if (name.startsWith("_")) continue;
    if (!Array.isArray(value) || value.length !== 2) {
      args[name] = value;
      continue;
    }
    const [library, component] = value;
    if (library === null || component === null) continue;
    if (typeof library !== "string" || typeof component !== "string" || !/^\w[\w-]*$/.test(name)) {
      throw new SnoopiError(`${where}: the component ${JSON.stringify(name)} is ${JSON.stringify(value)}, not a library and a class.`);
    }
    components.set(name, { name, library, className: component, folder: subfolder(folder, name) });
  }

  if (options.variant !== undefined) await requireVariant(options.variant, { name: folder.name, components });
  const component = (name: string): PipelineComponent => {
    const found = components.get(name);
    if (found) return found;
    throw new SnoopiError(`${where}: there is no component "${name}", only ${[...components.keys()].join(", ") || "none at all"}.`);
  };
  return {
    name: folder.name,
    className,
    components,
    args,
    component,
    config: async (name) => readConfig(component(name).folder),
    weights: async (name) => openComponentWeights(component(name).folder, options),
  };
}

async function requireVariant(variant: string, { name, components }: Pick<PipelineFolder, "name" | "components">): Promise<void> {
  const lists = await Promise.all([...components.values()].map(async ({ folder }) => variantsIn(await folder.list())));
  const found = [...new Set(lists.flat())].sort();
  if (found.includes(variant)) return;
  const named = found.filter((one) => one !== "").map((one) => `"${one}"`);
  const there = [...(found.includes("") ? ["plain ones"] : []), ...named].join(", ") || "none";
  throw new SnoopiError(`${name}: no component has weights of the variant "${variant}". There are ${there}.`);
}

/** The config of one component's folder: config.json, or a scheduler's scheduler_config.json. */
export async function readConfig(folder: Folder): Promise<JsonObject> {
  const names = await folder.list();
  const file = ["config.json", "scheduler_config.json"].find((name) => names.includes(name));
  if (file === undefined) throw new SnoopiError(`${folder.name}: there is neither a config.json nor a scheduler_config.json.`);
  return readJson(folder, file);
}

/** The weights in one component's folder, of a pipeline or on its own. */
export const openComponentWeights = async (folder: Folder, options: { variant?: string } = {}): Promise<ComponentWeights> =>
  openWeights(folder, await findWeightFiles(folder, options));
