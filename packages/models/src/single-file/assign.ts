import { type Shape, SnoopiError } from "@snoopi/core";
import { clipTextConfig } from "../checkpoint/config-clip.ts";
import { unetConfig } from "../checkpoint/config-unet.ts";
import { vaeConfig } from "../checkpoint/config-vae.ts";
import type { TensorEntry } from "../checkpoint/safetensors-header.ts";
import type { PipelinePreset } from "../presets.ts";
import { type Part, type Place, partOf } from "./parts.ts";
import type { Piece } from "./pieces.ts";
import { renamed } from "./renaming.ts";
import { clipName, openClipNames } from "./text-names.ts";
import { unetNames } from "./unet-names.ts";
import { vaeNames } from "./vae-names.ts";

/** What checkpoints hold besides their networks: an EMA copy of them, the noise schedule, what only training needs, and flags. */
const noParameters: readonly RegExp[] = [
  /^(first_stage_model\.)?model_ema\./,
  /^(betas|logvar|lvlb_weights|scale_factor|global_step|v_pred|ztsnr)$/,
  /^(alphas_cumprod|sqrt_|log_one_minus_|posterior_|denoiser\.|embedding_manager)/,
  /^first_stage_model\.loss\./,
  /^(cond_stage_model|conditioner)\.(.+\.)?(position_ids|logit_scale|attn_mask|text_projection(\.weight)?)$/,
];

/** A checkpoint's tensors as those of a diffusers folder. */
export interface Assigned {
  readonly pieces: ReadonlyMap<Part, readonly Piece[]>;
  /** Names in the checkpoint of tensors that are known not to be parameters. */
  readonly dropped: readonly string[];
}

/** A tensor's name within its part → its names in a diffusers folder: an empty list if it is left out there, undefined if it is unknown. */
type Rename = (name: string) => readonly string[] | undefined;

/**
 * Assigns each tensor of a checkpoint to a part, with its name and shape there. An unknown tensor keeps its name, in the part that it seems to belong
 * to, so that it is reported as unexpected, as in a folder.
 *
 * @throws SnoopiError if two tensors are the same parameter.
 */
export function assign(
  file: { readonly name: string; readonly entries: ReadonlyMap<string, TensorEntry> },
  places: ReadonlyMap<Part, Place>,
  configs: PipelinePreset,
): Assigned {
  const renames = renamesOf(places, configs);
  const linear = unetConfig(configs.unet).useLinearProjection;
  const pieces = new Map<Part, Piece[]>([...places.keys()].map((part) => [part, []]));
  const owners = new Map<string, string>();
  const dropped: string[] = [];
  for (const [name, entry] of file.entries) {
    const part = partOf(name);
    const { prefix } = places.get(part)!;
    const known = name.startsWith(prefix) ? renames[part](name.slice(prefix.length)) : undefined;
    if (known?.length === 0 || noParameters.some((pattern) => pattern.test(name))) {
      dropped.push(name);
      continue;
    }
    const names = known && entry.shape[0] % known.length === 0 ? known : [name];
    for (const [i, own] of names.entries()) {
      const owner = owners.get(`${part} ${own}`);
      if (owner !== undefined) {
        throw new SnoopiError(
          `${file.name}: it holds both "${owner}" and "${name}", which are the same parameter. Take another copy of the model.`,
        );
      }
      owners.set(`${part} ${own}`, name);
      const rows = rowsOf(entry, i, names.length);
      pieces.get(part)!.push({ ...rows, name: own, shape: shapeOf(own, rows.shape, { part, linear }) });
    }
  }
  return { pieces, dropped };
}

function renamesOf(places: ReadonlyMap<Part, Place>, configs: PipelinePreset): Readonly<Record<Part, Rename>> {
  const [unet, vae] = [unetNames(unetConfig(configs.unet)), vaeNames(vaeConfig(configs.vae))];
  const one = (name: string | undefined) => (name === undefined ? undefined : [name]);
  return {
    unet: (name) => one(renamed(name, unet)),
    vae: (name) => one(renamed(name, vae)),
    text_encoder:
      places.get("text_encoder")!.naming === "clip" ? (name) => [clipName(name)] : openClipNames(clipTextConfig(configs.textEncoder)),
  };
}

/** One of equal groups of a tensor's rows, which follow each other in the file. */
function rowsOf({ dtype, shape, start, end }: TensorEntry, group: number, groups: number): TensorEntry {
  const bytes = (end - start) / groups;
  return {
    dtype,
    shape: groups === 1 ? shape : [shape[0] / groups, ...shape.slice(1)],
    start: start + group * bytes,
    end: start + (group + 1) * bytes,
  };
}

/** The shape that the config implies: checkpoints store linear layers of the VAE, and some those of the UNet, as 1×1 convolutions. */
function shapeOf(name: string, shape: Shape, { part, linear }: { part: Part; linear: boolean }): Shape {
  const ofUnet = part === "unet" && /\.proj_(in|out)\.weight$/.test(name);
  const ofVae = part === "vae" && /\.attentions\.\d+\.to_(q|k|v|out\.0)\.weight$/.test(name);
  if (!ofUnet && !ofVae) return shape;
  if (ofUnet && !linear) return shape.length === 2 ? [...shape, 1, 1] : shape;
  return shape.slice(2).every((n) => n === 1) ? shape.slice(0, 2) : shape;
}
