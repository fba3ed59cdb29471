import { basename, dirname } from "node:path";
import { type Shape, SnoopiError, show, sizeOf } from "@snoopi/core";
import {
  autoencoder,
  autoencoderConfig,
  checkpointKind,
  clipText,
  clipTextConfig,
  isLoraName,
  type JsonObject,
  manifest,
  matchWeights,
  type NetworkKind,
  type OtherKind,
  openLora,
  openSafetensors,
  type Params,
  pixart,
  pixart512,
  pixartConfig,
  readConfig,
  type SafetensorsFile,
  sd15,
  sd21,
  t5Config,
  t5Encoder,
  t5Xxl,
  taesd,
  unet,
  unetConfig,
} from "@snoopi/models";
import { fileSource, nodeFolder } from "@snoopi/models/node";
import { shownBytes } from "./progress.ts";
import { grouped, some, table } from "./text.ts";

/** Tensors listed by name. */
const most = 12;

/** What a safetensors file holds. */
export async function describeFile(path: string): Promise<{ lines: string[]; usable: boolean }> {
  const source = await fileSource(path);
  try {
    const file = await openSafetensors(source, path);
    const entries = [...file.entries];
    const rows = [["dtype", "tensors", "parameters", "bytes"]];
    for (const dtype of [...new Set(entries.map(([, entry]) => entry.dtype))].sort()) {
      const own = entries.filter(([, entry]) => entry.dtype === dtype).map(([, entry]) => entry);
      rows.push([
        dtype,
        String(own.length),
        grouped(own.reduce((sum, { shape }) => sum + sizeOf(shape), 0)),
        shownBytes(own.reduce((sum, { start, end }) => sum + end - start, 0)),
      ]);
    }
    const lora = await loraOf(file, path);
    const network = lora?.said ?? (await networkOf(file, path));
    const other = network === undefined ? otherOf(file) : undefined;
    const listed = entries.slice(0, most).map(([name, { dtype, shape }]) => [name, dtype, show(shape)]);
    return {
      lines: [
        `${path}: ${grouped(entries.length)} tensors, ${shownBytes(file.bytes)}`,
        ...table(rows, { right: [1, 2, 3] }),
        `metadata: ${[...file.metadata].map(([key, value]) => `${key}=${value.length > 60 ? `${value.slice(0, 57)}…` : value}`).join(", ") || "none"}`,
        `network: ${network ?? other?.is ?? "none that is known for certain"}`,
        ...table(listed),
        ...(entries.length > most ? [`  and ${grouped(entries.length - most)} more`] : []),
        ...(other?.role === "model" ? [`generate cannot use it: it is ${other.is}. ${other.help}`] : []),
      ],
      usable: lora?.usable ?? other?.role !== "model",
    };
  } finally {
    await source.close?.();
  }
}

/** Whether a safetensors file is a checkpoint that can be read as a folder. */
export async function isCheckpoint(path: string): Promise<boolean> {
  const source = await fileSource(path);
  try {
    return "version" in checkpointKind((await openSafetensors(source, path)).entries);
  } finally {
    await source.close?.();
  }
}

/** What else a file is, if its names tell. */
function otherOf({ entries }: SafetensorsFile): OtherKind | undefined {
  const kind = checkpointKind(entries);
  return "is" in kind && kind.role !== "unknown" ? kind : undefined;
}

/** What a LoRA is, and whether `generate` can use it; undefined for other files. */
async function loraOf({ entries }: SafetensorsFile, path: string): Promise<{ said: string; usable: boolean } | undefined> {
  if (![...entries.keys()].some((name) => isLoraName(name))) return undefined;
  try {
    const lora = await openLora(nodeFolder(dirname(path)), basename(path));
    await lora.close();
    const ranks = [...new Set([...lora.layers.values()].map(({ rank }) => rank))].sort((a, b) => a - b);
    return { said: `a LoRA of ${grouped(lora.layers.size)} layers, of rank ${some(ranks.map(String))}, for generate --lora`, usable: true };
  } catch (error) {
    if (!(error instanceof SnoopiError)) throw error;
    return { said: `a LoRA that generate cannot use: ${error.message}`, usable: false };
  }
}

interface Candidate {
  readonly name: string;
  readonly kind: NetworkKind;
  readonly shapes: () => ReadonlyMap<string, Shape>;
}

const builders: Readonly<Record<NetworkKind, (json: JsonObject) => (p: Params) => unknown>> = {
  clip: (json) => (p) => clipText(p, clipTextConfig(json)),
  t5: (json) => (p) => t5Encoder(p, t5Config(json)),
  unet: (json) => (p) => unet(p, unetConfig(json)),
  vae: (json) => (p) => autoencoder(p, autoencoderConfig(json)),
  pixart: (json) => (p) => pixart(p, pixartConfig(json)),
};

const classes: Readonly<Record<string, NetworkKind>> = {
  CLIPTextModel: "clip",
  CLIPTextModelWithProjection: "clip",
  T5EncoderModel: "t5",
  UNet2DConditionModel: "unet",
  AutoencoderKL: "vae",
  AutoencoderTiny: "vae",
  PixArtTransformer2DModel: "pixart",
  Transformer2DModel: "pixart",
};

/** Which network has exactly these parameters: what the config.json beside the file describes, or one of the published ones. */
async function networkOf(file: SafetensorsFile, path: string): Promise<string | undefined> {
  const candidate = (name: string, kind: NetworkKind, json: JsonObject): Candidate => ({
    name,
    kind,
    shapes: () => manifest(builders[kind](json)),
  });
  const candidates = [
    ...(await besides(path)).map(({ className, kind, json }) =>
      candidate(`the ${className} that ${basename(dirname(path)) || "."}/config.json describes`, kind, json),
    ),
    ...Object.entries({ "Stable Diffusion 1": sd15, "Stable Diffusion 2": sd21 }).flatMap(([family, preset]) => [
      candidate(`${family}'s UNet`, "unet", preset.unet),
      candidate(`${family}'s text encoder`, "clip", preset.textEncoder),
    ]),
    candidate("Stable Diffusion's VAE", "vae", sd15.vae),
    candidate("the encoder of T5 v1.1 XXL", "t5", t5Xxl),
    candidate("TAESD, Stable Diffusion's tiny VAE", "vae", taesd),
    candidate("PixArt's transformer", "pixart", pixart512.transformer),
  ];
  return candidates.find((one) => isCertain(file, one))?.name;
}

function isCertain(file: SafetensorsFile, { kind, shapes }: Candidate): boolean {
  try {
    const match = matchWeights(kind, file.entries, shapes());
    return match.missing.length + match.misshapen.length + match.unexpected.length === 0;
  } catch (error) {
    // A config that is not supported, or two names for one parameter: then it is not this one.
    if (error instanceof SnoopiError) return false;
    throw error;
  }
}

async function besides(path: string): Promise<{ className: string; kind: NetworkKind; json: JsonObject }[]> {
  const json = await readConfig(nodeFolder(dirname(path))).catch(() => undefined);
  const { architectures } = json ?? {};
  const className = String(json?._class_name ?? (Array.isArray(architectures) ? architectures[0] : ""));
  const kind = Object.hasOwn(classes, className) ? classes[className] : undefined;
  return json && kind ? [{ className, kind, json }] : [];
}
