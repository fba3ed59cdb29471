import { createHash, type Hash } from "node:crypto";
import { join, resolve } from "node:path";
import { concat, type Device, fromData, keep, noGrad, realize, SnoopiError, scope, type Tensor } from "@snoopi/core";
import {
  type ClipTextConfig,
  endPositions,
  idsTensor,
  latentDecoder,
  openComponentWeights,
  readClipTokenizer,
  readConfig,
  readJson,
  subfolder,
  type TensorReader,
  unscaleLatents,
} from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { tokenIds } from "../../pipeline/encode-texts.ts";
import type { Tokenizer } from "../../pipeline/families.ts";
import { type OpenModel, openModel } from "../../pipeline/open.ts";
import { needed } from "../../pipeline/shape.ts";
import { withZeroPadding } from "../../pipeline/zero-padding.ts";
import { encodedAtOnce } from "../../prompts/cached-embeddings.ts";
import { captions } from "../../world/caption.ts";
import { clipModel } from "../clip-model.ts";
import { clipSizes } from "../clip-sizes.ts";
import type { DistillConfig } from "../distill-config.ts";
import { clipView, type PixelNorm, pixelNorm, plainPixels } from "../student/clip-view.ts";
import { type PromptBank, worldBank } from "../student/prompt-bank.ts";
import { openClipDecoder, requireClipDecoder } from "./clip-decoder.ts";
import { openDistillPrompts } from "./distill-prompts.ts";
import { isThere } from "./folder.ts";
import type { KeptTexts } from "./kept-texts.ts";
import { openNetwork, type ReadNetwork } from "./network.ts";

/** What a student is distilled from, read from a pipeline's folder. */
export interface DistillTeacher extends Disposable {
  readonly model: OpenModel;
  /** Identifies these weights. */
  readonly origin: string;
  /** Identifies the weights of CLIP, if there is one, and of the decoder of its own, if it has one. */
  readonly judge?: string;
  readonly base: ReadonlyMap<string, Tensor>;
  readonly bank: PromptBank;
  readonly negatives?: PromptBank;
  /** Where encoded prompts are kept: it has to be filled before the banks are used. */
  readonly kept?: KeptTexts;
  /** Identifies the prompts that come from files. */
  readonly texts?: string;
  readonly decode: (latents: Tensor) => Tensor;
  /** CLIP's embeddings of what latents show, where the config has a CLIP loss. */
  readonly embedLatents?: (x0: Tensor) => Tensor;
  /** Shape of one picture's latents: `[C, h, w]`. */
  readonly latents: readonly number[];
}

export interface DistillTeacherOptions {
  readonly device: Device;
  readonly folder: string;
  readonly config: DistillConfig;
  /** What paths in the config are relative to. */
  readonly beside: string;
  /** The student's folder. */
  readonly out: string;
  readonly onNote?: (line: string) => void;
  readonly signal: AbortSignal;
}

/** @throws SnoopiError for a folder that is not a pipeline, and if `clip/` is missing for the config's CLIP loss. */
export async function openDistillTeacher(options: DistillTeacherOptions): Promise<DistillTeacher> {
  const { device, folder, config, signal } = options;
  const model = await openModel(nodeFolder(folder));
  const { clip: judging } = config;
  const clipDecoder =
    judging.weight > 0 && judging.decoder !== null
      ? await requireClipDecoder(resolve(options.beside, judging.decoder), model.vae)
      : undefined;
  const hash = createHash("sha256");
  // A hash of its own: pairs and what is learned from them do not depend on CLIP.
  const judgeHash = createHash("sha256");
  const owned: Disposable[] = [];
  const into =
    (digest: Hash, dtype: "f32" | "f16" = "f32"): ReadNetwork =>
    async (rule, weights, build) => {
      const opened = await openNetwork(rule, hashed(weights, digest), { build, device, dtype, signal });
      owned.push(...opened.tensors.values());
      return opened;
    };
  const [read, readJudge] = [into(hash), into(judgeHash)];
  const component = (name: "vae" | "text_encoder") => model.weights(name);
  try {
    const readFrozen = into(hash, config.base);
    const loaded = await readFrozen(model.network.kind, await model.weights(model.network.component), model.network.build);
    // In the network's order, not the file's.
    const base = new Map([...needed(model.network).keys()].map((name) => [name, loaded.tensors.get(name)!]));
    const decoder = await read("vae", await component("vae"), (p) => latentDecoder(p, model.vae));
    const text = await readFrozen(model.text.kind, await component("text_encoder"), model.text.build);
    const encodeIds = withZeroPadding(model.text, text.network, model.tokenizer.padId);
    const encode = (ids: Tensor): Tensor => noGrad(() => encodeIds(ids));
    const decode = (x0: Tensor): Tensor => decoder.network(unscaleLatents(x0, model.vae));
    const clip = judging.weight > 0 ? await openClip(folder, { read: readJudge, model }) : undefined;
    const decodeForClip = clipDecoder ? await openClipDecoder(clipDecoder, readJudge) : decode;

    const embed = (texts: readonly string[]): Tensor => {
      const { text, network, tokenizer } = clip!;
      const ids = texts.map((one) => [...tokenizer.encode(one).ids]);
      const rows = Int32Array.from(endPositions(ids, text), (end, i) => i * ids[0].length + end);
      return noGrad(() => network.text(idsTensor(ids, text, { device }), fromData(rows, { shape: [rows.length], dtype: "i32", device })));
    };
    const many = async (texts: readonly string[], of: (some: readonly string[]) => Tensor): Promise<Tensor> => {
      const parts: Tensor[] = [];
      for (let first = 0; first < texts.length; first += encodedAtOnce) {
        const part = keep(scope(() => of(texts.slice(first, first + encodedAtOnce))));
        await realize([part]);
        parts.push(part);
      }
      const all = keep(scope(() => concat(parts)));
      await realize([all]);
      for (const part of parts) part.dispose();
      owned.push(all);
      return all;
    };
    const tokenize = (one: string) => model.tokenizer.encode(one).ids;
    const encodeAll = (some: readonly string[]) => encode(tokenIds(model, some, device));
    const prompts = await openDistillPrompts({
      ...options,
      pipeline: folder,
      model,
      tokenize,
      encode,
      encodeTexts: encodeAll,
      ...(clip && { embed }),
      world: async () => worldBank(await many([...captions, ""], encodeAll), clip && (await many(captions, embed))),
      unload() {
        for (const t of text.tensors.values()) t.dispose();
      },
    });
    owned.push(prompts);
    const { factor, size } = model;
    const side = { width: config.size ?? size.width, height: config.size ?? size.height };
    for (const one of Object.values(side)) {
      if (one % factor !== 0) throw new SnoopiError(`config: size is ${one}, and this model makes multiples of ${factor}.`);
    }
    return {
      model,
      base,
      bank: prompts.bank,
      decode,
      ...(clip && {
        embedLatents: (x0: Tensor) => clip.network.picture(clipView(decodeForClip(x0), { size: clip.imageSize, norm: clip.norm })),
        judge: judgeHash.digest("hex").slice(0, 16),
      }),
      ...(prompts.negatives && { negatives: prompts.negatives }),
      ...(prompts.kept && { kept: prompts.kept }),
      ...(prompts.digest !== undefined && { texts: prompts.digest }),
      origin: hash.digest("hex").slice(0, 16),
      latents: [model.vae.latentChannels, side.height / factor, side.width / factor],
      [Symbol.dispose]() {
        for (const one of owned) one[Symbol.dispose]();
      },
    };
  } catch (error) {
    for (const one of owned) one[Symbol.dispose]();
    throw error;
  }
}

interface Clip {
  readonly text: ClipTextConfig;
  readonly imageSize: number;
  readonly norm: PixelNorm;
  readonly network: ReturnType<typeof clipModel>;
  readonly tokenizer: Tokenizer;
}

/** The config of CLIP in `clip/`. @throws SnoopiError when it is not there, saying what makes it. */
export const readClip = (path: string) =>
  readConfig(subfolder(nodeFolder(path), "clip")).catch((error: Error) => {
    throw new SnoopiError(
      `distill: the config has a CLIP loss, and ${error.message} Set clip.weight to 0, or put a CLIPModel there (snoopi train clip makes one).`,
    );
  });

async function openClip(path: string, { read, model }: { readonly read: ReadNetwork; readonly model: OpenModel }): Promise<Clip> {
  const folder = subfolder(nodeFolder(path), "clip");
  const json = await readClip(path);
  const { text, image } = clipSizes(json, `${path}/clip/config.json`);
  const { network } = await read("as stored", await openComponentWeights(folder), (p) => clipModel(p, { text, image }));
  const preprocessor = "preprocessor_config.json";
  const norm = isThere(join(path, "clip", preprocessor))
    ? pixelNorm(await readJson(folder, preprocessor), `${path}/clip/${preprocessor}`)
    : plainPixels;
  // A pipeline that reads prompts by CLIP has the tokenizer already; otherwise it lies with the towers, as in CLIP's own folder.
  const maxPositions = text.maxPositionEmbeddings;
  const tokenizer = model.text.kind === "clip" ? model.tokenizer : await readClipTokenizer(folder, { maxPositions });
  return { text, imageSize: image.imageSize, norm, network, tokenizer };
}

/** The same reader, which also hashes all that is read through it. */
const hashed = (weights: TensorReader, hash: Hash): TensorReader => ({
  name: weights.name,
  entries: weights.entries,
  bytes: weights.bytes,
  close: weights.close,
  async read(tensor, options) {
    const found = await weights.read(tensor, options);
    hash.update(tensor).update(new Uint8Array(found.data.buffer, found.data.byteOffset, found.data.byteLength));
    return found;
  },
});
