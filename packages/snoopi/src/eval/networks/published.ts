import { type Shape, SnoopiError } from "@snoopi/core";
import { inceptionV3, manifest, type OpenClipName, type OpenClipSizes, openClip, openClipSizes } from "@snoopi/models";
import type { ClipFit } from "./prepare.ts";

/** A network as it was published: where its weights are, what is in the file, and how it is used. */
export interface PublishedNetwork {
  /** Its name in reports. */
  readonly about: string;
  readonly url: string;
  /** Names of files that hold it. Those that do not end in `.safetensors` are PyTorch's and have to be converted. */
  readonly files: readonly string[];
  /** Whose parameter names the file has. */
  readonly layout: "pytorch-fid" | "OpenCLIP";
  readonly network: "inception" | ClipNetwork;
}

export interface ClipNetwork {
  readonly sizes: OpenClipSizes;
  readonly fit: ClipFit;
  /** What its published score is: the mean cosine, or 100 times that. */
  readonly score: "clip" | "hps";
  /** Put before each prompt in that score. */
  readonly prefix: string;
}

const openClipFiles = ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"];
const ofClip = (name: OpenClipName, repository: string): PublishedNetwork => ({
  about: `OpenCLIP ${name} of ${repository}`,
  url: `https://huggingface.co/${repository}`,
  files: openClipFiles,
  layout: "OpenCLIP",
  network: { sizes: openClipSizes[name], fit: "crop", score: "clip", prefix: "A photo depicts " },
});
const ofHps = (version: string, file: string): PublishedNetwork => ({
  about: `HPS ${version}, a fine-tuned OpenCLIP ViT-H-14`,
  url: "https://huggingface.co/xswu/HPSv2",
  files: [file],
  layout: "OpenCLIP",
  network: { sizes: openClipSizes["ViT-H-14"], fit: "pad", score: "hps", prefix: "" },
});

/**
 * The networks of published scores. SwiftBrush v2 and SNOOPI take their CLIP score from ViT-g-14 and HPSv2 most likely in version 2.0; the
 * CLIP in SwiftBrush v2's loss is a ViT-B-32.
 */
export const publishedNetworks = {
  inception: {
    about: "Inception-v3 for FID, TensorFlow's of 2015-12-05",
    url: "https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights",
    files: ["pt_inception-2015-12-05-6726825d.pth"],
    layout: "pytorch-fid",
    network: "inception",
  },
  "clip-b32": ofClip("ViT-B-32", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
  "clip-l14": ofClip("ViT-L-14-quickgelu", "timm/vit_large_patch14_clip_224.openai"),
  "clip-h14": ofClip("ViT-H-14", "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"),
  "clip-g14": ofClip("ViT-g-14", "laion/CLIP-ViT-g-14-laion2B-s12B-b42K"),
  "hps-v2.0": ofHps("v2.0", "HPS_v2_compressed.pt"),
  "hps-v2.1": ofHps("v2.1", "HPS_v2.1_compressed.pt"),
} as const satisfies Readonly<Record<string, PublishedNetwork>>;

export type FeatureNetworkKind = keyof typeof publishedNetworks;

/** The network of a kind. @throws SnoopiError, with all kinds, for an unknown one. */
export function publishedNetwork(kind: string): PublishedNetwork {
  if (Object.hasOwn(publishedNetworks, kind)) return publishedNetworks[kind as FeatureNetworkKind];
  throw new SnoopiError(`network: ${JSON.stringify(kind)} is no kind. Give one of ${Object.keys(publishedNetworks).join(", ")}.`);
}

/** Every parameter of a published network, by its name in the file. */
export const parametersOf = ({ network }: PublishedNetwork): ReadonlyMap<string, Shape> =>
  network === "inception" ? manifest(inceptionV3) : manifest((p) => openClip(p, network.sizes));
