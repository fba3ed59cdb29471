import { SnoopiError } from "@snoopi/core";
import { openSafetensors, readClipTokenizer } from "@snoopi/models";
import { fileSource, nodeFolder } from "@snoopi/models/node";
import { type ClipFeatureNetwork, type FeatureNetwork, type FeatureNetworkOptions, openFeatureNetwork } from "../feature-network.ts";
import { whatIsNeeded } from "../layout.ts";
import { type FeatureNetworkKind, type PublishedNetwork, publishedNetwork } from "../published.ts";

export interface LoadFeatureNetworkOptions<Kind extends FeatureNetworkKind> extends Omit<FeatureNetworkOptions, "tokenizer"> {
  readonly kind: Kind;
  /** A safetensors file of that network. */
  readonly path: string;
  /** For texts: the folder of CLIP's tokenizer. */
  readonly tokenizer?: string;
}

/**
 * The network of a published score, with its published weights: Inception for FID, precision and recall, a CLIP for the CLIP score, HPSv2.
 * @throws SnoopiError when there is no such file or it is another network's. It says which file is needed, its size, where it is published,
 * the layout, and how one that PyTorch wrote is converted.
 */
export async function loadFeatureNetwork<Kind extends FeatureNetworkKind>(
  options: LoadFeatureNetworkOptions<Kind>,
): Promise<Kind extends "inception" ? FeatureNetwork : ClipFeatureNetwork> {
  const { kind, path, ...others } = options;
  const network = await loadPublished(publishedNetwork(kind), path, others);
  return network as Kind extends "inception" ? FeatureNetwork : ClipFeatureNetwork;
}

/** The same for a `PublishedNetwork` of your own: other sizes, another fine-tuning. */
export async function loadPublished(
  published: PublishedNetwork,
  path: string,
  { tokenizer, ...options }: Omit<LoadFeatureNetworkOptions<FeatureNetworkKind>, "kind" | "path">,
): Promise<FeatureNetwork | ClipFeatureNetwork> {
  const words = tokenizer === undefined ? {} : { tokenizer: await readClipTokenizer(nodeFolder(tokenizer)) };
  const file = await openFile(path).catch((error: Error) => {
    throw error instanceof SnoopiError ? new SnoopiError(`${error.message} ${whatIsNeeded(published)}`) : error;
  });
  try {
    return await openFeatureNetwork(file, published, { ...options, ...words });
  } finally {
    await file.close();
  }
}

async function openFile(path: string) {
  const source = await fileSource(path);
  return openSafetensors(source, path).catch(async (error) => {
    await source.close?.();
    throw error;
  });
}
