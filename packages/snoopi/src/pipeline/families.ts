import { type ClipTokenizer, type PipelineFolder, readClipTokenizer, readT5Tokenizer } from "@snoopi/models";
import { pixartShape, pixartTokens } from "./pixart.ts";
import type { ModelShape } from "./shape.ts";
import { modelShape } from "./stable-diffusion.ts";

/** Texts to ids, as any text encoder takes them. */
export type Tokenizer = Pick<ClipTokenizer, "maxLength" | "vocabSize" | "padId" | "encode">;

/** How a kind of diffusers folder is read. */
interface Family {
  readonly shape: (pipeline: PipelineFolder) => Promise<ModelShape>;
  readonly tokenizer: (pipeline: PipelineFolder, text: ModelShape["text"]) => Promise<Tokenizer>;
}

const common = async (pipeline: PipelineFolder) => ({
  textEncoder: await pipeline.config("text_encoder"),
  vae: await pipeline.config("vae"),
  scheduler: await pipeline.config("scheduler"),
});

const pixart = (length: number): Family => ({
  shape: async (pipeline) =>
    pixartShape({ ...(await common(pipeline)), transformer: await pipeline.config("transformer") }, { name: pipeline.name, length }),
  async tokenizer(pipeline, { length }) {
    const tokenizer = await readT5Tokenizer(pipeline.component("tokenizer").folder, { maxLength: length });
    // diffusers' pipelines do at least this; with ftfy and BeautifulSoup installed they also remove links and markup.
    return { ...tokenizer, encode: (text) => tokenizer.encode(text.toLowerCase().trim()) };
  },
});

/** By the pipeline's class. */
export const families: Readonly<Record<string, Family>> = {
  StableDiffusionPipeline: {
    shape: async (pipeline) => modelShape({ ...(await common(pipeline)), unet: await pipeline.config("unet") }, pipeline.name),
    tokenizer: (pipeline, { length }) => readClipTokenizer(pipeline.component("tokenizer").folder, { maxPositions: length }),
  },
  PixArtAlphaPipeline: pixart(pixartTokens.alpha),
  PixArtSigmaPipeline: pixart(pixartTokens.sigma),
};
