import { realize, SnoopiError, scope, type Tensor } from "@snoopi/core";
import {
  autoencoderKL,
  type ClipTextConfig,
  clipText,
  clipTextConfig,
  idsTensor,
  openComponentWeights,
  type Params,
  readClipTokenizer,
  readConfig,
  scaleLatents,
  subfolder,
  type VaeConfig,
  vaeConfig,
} from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { captions } from "../../world/caption.ts";
import type { Scene } from "../../world/scene.ts";
import { picturesOf } from "../examples.ts";
import { type Numbers, uploaded } from "../stage.ts";
import type { JobOptions } from "./job.ts";
import { openNetwork } from "./network.ts";
import { originOf } from "./origin.ts";

/** What a teacher is trained between, VAE and text encoder, read from a model's folder. */
export interface Parts extends Disposable {
  readonly vae: VaeConfig;
  readonly text: ClipTextConfig;
  /** Identifies these weights. */
  readonly origin: string;
  readonly encode: ReturnType<typeof autoencoderKL>["encode"];
  readonly decode: ReturnType<typeof autoencoderKL>["decode"];
  /** The states of every caption and of the empty text, `[n + 1, L, D]`. */
  texts(): Promise<Tensor>;
  /** Latents as a UNet sees them. */
  latents(scenes: readonly Scene[]): Promise<Numbers>;
}

const atOnce = 64;

/** @throws SnoopiError when the VAE or the text encoder is not there yet, saying what makes it. */
export async function openParts({ out, device, signal }: JobOptions): Promise<Parts> {
  const folder = nodeFolder(out);
  const owned: Tensor[] = [];
  const dispose = () => {
    for (const t of owned) t.dispose();
  };
  const of = async <N>(component: string, kind: "vae" | "clip", build: (p: Params) => N) => {
    const weights = await openComponentWeights(subfolder(folder, component));
    const { network, tensors } = await openNetwork(kind, weights, { build, device, dtype: "f32" });
    owned.push(...tensors.values());
    return network;
  };
  const configOf = async (component: string, stage: string) =>
    readConfig(subfolder(folder, component)).catch((error: Error) => {
      throw new SnoopiError(`teacher: ${error.message} Run snoopi train ${stage} --out ${out} before.`);
    });
  const vae = vaeConfig(await configOf("vae", "vae"));
  const text = clipTextConfig(await configOf("text_encoder", "clip"));
  const tokenizer = await readClipTokenizer(subfolder(folder, "tokenizer"), { maxPositions: text.maxPositionEmbeddings });
  const opened = async () => ({
    autoencoder: await of("vae", "vae", (p) => autoencoderKL(p, vae)),
    encode: await of("text_encoder", "clip", (p) => clipText(p, text)),
    origin: await originOf(out, ["vae", "text_encoder"]),
  });
  const { autoencoder, encode, origin } = await opened().catch((error) => {
    dispose();
    throw error;
  });
  return {
    vae,
    text,
    origin,
    ...autoencoder,
    async texts() {
      const ids = [...captions, ""].map((caption) => [...tokenizer.encode(caption).ids]);
      const all = scope(() => encode(idsTensor(ids, text, { device })).last);
      owned.push(all);
      await realize([all]);
      return all;
    },
    async latents(scenes) {
      const found: Float32Array[] = [];
      let shape: readonly number[] = [];
      for (let first = 0; first < scenes.length; first += atOnce) {
        signal.throwIfAborted();
        const some = scenes.slice(first, first + atOnce);
        const values = await scope(async (s) => {
          const z = s.run(() => {
            const { x } = uploaded({ x: picturesOf(some, vae.sampleSize) }, device);
            return scaleLatents(autoencoder.encode(x).mean, vae);
          });
          shape = z.shape;
          return (await z.data()) as Float32Array;
        });
        found.push(values);
      }
      const data = new Float32Array(found.reduce((n, part) => n + part.length, 0));
      let at = 0;
      for (const part of found) {
        data.set(part, at);
        at += part.length;
      }
      return { shape: [scenes.length, ...shape.slice(1)], data };
    },
    [Symbol.dispose]: dispose,
  };
}
