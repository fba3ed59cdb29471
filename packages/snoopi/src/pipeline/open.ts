import { SnoopiError } from "@snoopi/core";
import { type ClipTokenizer, type ComponentWeights, type Folder, openPipelineFolder, readClipTokenizer } from "@snoopi/models";
import { type ModelShape, modelShape, type Network } from "./shape.ts";

/** A text-to-image model on disk, its configs read and checked, its weights not. */
export interface OpenModel extends ModelShape {
  readonly name: string;
  readonly tokenizer: ClipTokenizer;
  weights(component: Network["component"]): Promise<ComponentWeights>;
}

const families = ["StableDiffusionPipeline"];

/** Reads a diffusers folder of the Stable Diffusion 1 or 2 kind. Throws for anything else, saying what it is. */
export async function openModel(folder: Folder, options: { readonly variant?: string } = {}): Promise<OpenModel> {
  const pipeline = await openPipelineFolder(folder, options);
  if (!families.includes(pipeline.className)) {
    throw new SnoopiError(
      `${folder.name}: it is a ${pipeline.className}. Only ${families.join(", ")} can be run, the Stable Diffusion 1 and 2 family.`,
    );
  }
  const shape = modelShape(
    {
      textEncoder: await pipeline.config("text_encoder"),
      unet: await pipeline.config("unet"),
      vae: await pipeline.config("vae"),
      scheduler: await pipeline.config("scheduler"),
    },
    folder.name,
  );
  const { vocabSize, length: maxPositions } = shape.text;
  const tokenizer = await readClipTokenizer(pipeline.component("tokenizer").folder, { maxPositions });
  if (tokenizer.vocabSize > vocabSize) {
    throw new SnoopiError(
      `${folder.name}: the tokenizer has ${tokenizer.vocabSize} tokens and the text encoder ${vocabSize}. The components are not of the same model.`,
    );
  }
  return { ...shape, name: folder.name, tokenizer, weights: (component) => pipeline.weights(component) };
}
