import { type Device, keep, realize, SnoopiError, scope, type Tensor } from "@snoopi/core";
import {
  type ClipTokenizer,
  endPositions,
  idsTensor,
  inceptionV3,
  type LoadOptions,
  load,
  loadTensors,
  openClip,
  params,
  type TensorReader,
} from "@snoopi/models";
import { clipScore, hpsScore } from "../cosine.ts";
import type { Features } from "../features.ts";
import { parametersIn, requireLayout } from "./layout.ts";
import { forClip, forInception, type InceptionResize } from "./prepare.ts";
import { type ClipNetwork, type PublishedNetwork, parametersOf } from "./published.ts";

/** A network that turns pictures into features. It holds its weights until it is disposed. */
export interface FeatureNetwork extends Disposable {
  /** Its name in reports. */
  readonly about: string;
  /** Features of one picture. */
  readonly width: number;
  /** Of pictures `[N, 3, H, W]` from −1 to 1, on the network's device: `[N, width]`. Resized and scaled as for its published score. */
  features(pictures: Tensor): Promise<Features>;
}

/** A network that embeds texts beside pictures. */
export interface ClipFeatureNetwork extends FeatureNetwork {
  /** Of texts without a prefix: `[N, width]`. @throws SnoopiError without a tokenizer, or with one of another vocabulary. */
  texts(prompts: readonly string[]): Promise<Features>;
  /**
   * Its published score of pictures and their prompts. The CLIP score is the mean cosine, with prompts behind the prefix
   * "A photo depicts "; HPSv2's is 100 times the mean cosine.
   */
  score(pictures: Tensor, prompts: readonly string[]): Promise<number>;
}

export interface FeatureNetworkOptions extends LoadOptions {
  /** For Inception: whose resizing. Default `"clean-fid"`, which SwiftBrush v2 and SNOOPI report. */
  readonly resize?: InceptionResize;
  /** For texts: CLIP's tokenizer. */
  readonly tokenizer?: ClipTokenizer;
  /** Told of tensors in the file that the network does not have. */
  readonly onWarning?: (text: string) => void;
}

/**
 * A published network from a file of weights.
 * @throws SnoopiError when the file is not that network's: the first name that is missing, what it has instead, and what is needed.
 */
export async function openFeatureNetwork(
  file: TensorReader,
  published: PublishedNetwork,
  options: FeatureNetworkOptions,
): Promise<FeatureNetwork | ClipFeatureNetwork> {
  const reader = parametersIn(file);
  requireLayout(reader, published);
  const { tensors, unexpected } = await loadTensors("as stored", reader, { ...options, manifest: parametersOf(published) });
  if (unexpected.length > 0) {
    options.onWarning?.(`${file.name}: ignored ${unexpected.length} tensors, which the network does not have: ${unexpected.join(", ")}.`);
  }
  const { about, network } = published;
  return network === "inception" ? inceptionNetwork(tensors, { about, ...options }) : clipNetwork(tensors, network, { about, ...options });
}

type Opened = FeatureNetworkOptions & { readonly about: string; readonly device: Device };

async function inceptionNetwork(tensors: ReadonlyMap<string, Tensor>, { about, resize = "clean-fid" }: Opened): Promise<FeatureNetwork> {
  // Intermediates of the folding are freed with its scope; its results are kept.
  const { network, kept } = scope(() => {
    const built = inceptionV3(params(load(tensors)));
    return { network: built, kept: built.folded.flatMap(({ weight, bias }) => [keep(weight), keep(bias)]) };
  });
  await realize(kept);
  // The parameters that were folded are not read again.
  for (const [name, t] of tensors) {
    if (name.startsWith("fc.")) kept.push(t);
    else t.dispose();
  }
  return {
    about: `${about}, resized as by ${resize}`,
    width: 2048,
    features: (pictures) => read(() => network(forInception(pictures, { as: resize })).features),
    [Symbol.dispose]() {
      for (const t of kept) t.dispose();
    },
  };
}

function clipNetwork(
  tensors: ReadonlyMap<string, Tensor>,
  { sizes, fit, score, prefix }: ClipNetwork,
  { about, tokenizer, device }: Opened,
): ClipFeatureNetwork {
  const { image, text } = openClip(params(load(tensors)), sizes);
  const { vocab: vocabSize, context: maxPositionEmbeddings } = sizes.text;
  const features = (pictures: Tensor) => read(() => image(forClip(pictures, { size: sizes.image.size, fit })));
  const texts = async (prompts: readonly string[]) => {
    if (tokenizer?.vocabSize !== vocabSize) {
      const given = tokenizer ? `the tokenizer has ${tokenizer.vocabSize} ids and the network ${vocabSize}` : "there is no tokenizer";
      throw new SnoopiError(`${about}: ${given}. Give CLIP's, such as tokenizer/ of a Stable Diffusion.`);
    }
    const ids = prompts.map((prompt) => [...tokenizer.encode(prompt).ids]);
    const ends = endPositions(ids, { eosTokenId: tokenizer.endId });
    return read(() => text(idsTensor(ids, { vocabSize, maxPositionEmbeddings }, { device }), ends));
  };
  return {
    about,
    width: sizes.embed,
    features,
    texts,
    async score(pictures, prompts) {
      const [seen, said] = [await features(pictures), await texts(prompts.map((prompt) => prefix + prompt))];
      return score === "clip" ? clipScore(seen, said) : hpsScore(seen, said);
    },
    [Symbol.dispose]() {
      for (const t of tensors.values()) t.dispose();
    },
  };
}

/** Rows of features on the host. Intermediates are released before they are computed: each layer's results make room for the next's. */
async function read(compute: () => Tensor): Promise<Features> {
  using rows = scope(compute);
  return { data: (await rows.data()) as Float32Array, shape: [rows.shape[0], rows.shape[1]] };
}
