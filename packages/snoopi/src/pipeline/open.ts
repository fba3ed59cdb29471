import { SnoopiError } from "@snoopi/core";
import { type ComponentWeights, type Folder, openPipelineFolder } from "@snoopi/models";
import { families, type Tokenizer } from "./families.ts";
import type { ModelShape, Network } from "./shape.ts";

/** A text-to-image model on disk, its configs read and checked, its weights not. */
export interface OpenModel extends ModelShape {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  weights(component: Network["component"]): Promise<ComponentWeights>;
}

/** Reads a diffusers folder of the Stable Diffusion 1 or 2 kind, or of PixArt's. Throws for anything else, saying what it is. */
export async function openModel(folder: Folder, options: { readonly variant?: string } = {}): Promise<OpenModel> {
  const pipeline = await openPipelineFolder(folder, options);
  const { className } = pipeline;
  if (!Object.hasOwn(families, className)) {
    throw new SnoopiError(`${folder.name}: it is a ${className}. Only ${Object.keys(families).join(", ")} can be run.`);
  }
  const family = families[className];
  const shape = await family.shape(pipeline);
  const tokenizer = await family.tokenizer(pipeline, shape.text);
  const { vocabSize } = shape.text;
  if (tokenizer.vocabSize > vocabSize) {
    throw new SnoopiError(
      `${folder.name}: the tokenizer has ${tokenizer.vocabSize} tokens and the text encoder ${vocabSize}. The components are not of the same model.`,
    );
  }
  return { ...shape, name: folder.name, tokenizer, weights: (component) => pipeline.weights(component) };
}
