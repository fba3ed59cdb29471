import { keep, realize, scope, type Tensor, tensor, torchGenerator } from "@snoopi/core";
import { toPixels, unscaleLatents } from "@snoopi/models";
import type { NegativeGuidance } from "../guidance/negative-guidance.ts";
import { subtractText } from "../guidance/subtract-text.ts";
import { type Advanced, advances, take } from "./advances.ts";
import { type EncodedTexts, encodeTexts } from "./encode-texts.ts";
import { guided } from "./guided.ts";
import { type HeldContexts, heldContexts } from "./held-contexts.ts";
import type { LoadedModel } from "./load.ts";
import { type Plan, planOf, type Request } from "./request.ts";

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGB, row by row, three bytes a pixel. */
  readonly data: Uint8Array;
}

export type Stage = "text" | "steps" | "decode";

export interface GenerateHooks {
  /** How far a stage is, from 0 on, in its own units: texts, steps (with fractions), and the decoder's share up to 1. */
  readonly onProgress?: (stage: Stage, done: number, total: number) => void;
  readonly onWarning?: (text: string) => void;
  /** Stops at the next submit. */
  readonly signal?: AbortSignal;
}

/** A picture from text: encode, denoise from seeded noise in one step or several, decode. Throws on bad requests before it computes. */
export async function generate(loaded: LoadedModel, request: Request, hooks: GenerateHooks = {}): Promise<Picture> {
  const plan = planOf(loaded.model, request);
  const latents = await sample(loaded, plan, hooks);
  // The decoder needs other sizes than the UNet.
  loaded.device.trim();
  try {
    return await decode(loaded, latents, hooks);
  } finally {
    latents.dispose();
  }
}

/** The latents x₀ `[1, C, h, w]` of a plan, as the UNet sees them (scaled). They belong to no scope: dispose of them. */
export async function sample(loaded: LoadedModel, plan: Plan, hooks: GenerateHooks = {}): Promise<Tensor> {
  const { model, device } = loaded;
  const { onProgress, signal } = hooks;
  const texts = textsOf(plan);
  let guidance: NegativeGuidance | undefined;
  const hold = heldContexts();
  let now: Advanced | undefined;
  try {
    const contexts = await encodeEach(loaded, texts, hold, hooks);
    const contextOf = (text: string) => contexts.get(text)!;
    const { denoise, ...used } = guided(loaded, plan, { textOf: contextOf, hold });
    guidance = used.guidance;

    const shape = [1, model.vae.latentChannels, plan.height / model.factor, plan.width / model.factor];
    // One generator for all noise of a picture, as diffusers' pipeline has it.
    const generator = torchGenerator(plan.seed);
    const noise = () => tensor(generator.randn(shape.reduce((a, b) => a * b, 1)), { shape, device });
    now = [keep(noise())];
    const { subtract } = plan;
    const prompt = contextOf(plan.prompt);
    const context = subtract ? hold(() => subtractText(prompt, contextOf(subtract.negative), subtract)) : prompt;
    const steps = advances(denoise, model.schedule, { ...plan, context, noise });
    onProgress?.("steps", 0, steps.length);
    for (const [i, advance] of steps.entries()) {
      signal?.throwIfAborted();
      now = await take(advance, now, {
        ...(signal && { signal }),
        onProgress: (done, total) => onProgress?.("steps", i + (total ? done / total : 1), steps.length),
      });
    }
    const [x, before] = now;
    before?.dispose();
    return x;
  } catch (error) {
    for (const t of now ?? []) t?.dispose();
    throw error;
  } finally {
    guidance?.[Symbol.dispose]();
    hold[Symbol.dispose]();
  }
}

/** Every text that a plan needs encoded, once. */
function textsOf({ prompt, steer, cfg, subtract }: Plan): string[] {
  const negatives = [steer, cfg, subtract].flatMap((by) => (by ? [by.negative] : []));
  return [...new Set([prompt, ...negatives, ...(steer?.method === "neutral" ? [""] : [])])];
}

/** Pixels of latents as the UNet sees them. */
export async function decode(loaded: LoadedModel, latents: Tensor, hooks: GenerateHooks = {}): Promise<Picture> {
  const image = await decodeImage(loaded, latents, hooks);
  try {
    const [picture] = await toPixels(image);
    return picture;
  } finally {
    image.dispose();
  }
}

/** The decoder's output `[1, 3, H, W]`, −1 black and 1 white, of latents as the UNet sees them. It belongs to no scope: dispose of it. */
export async function decodeImage(
  { decode: run, model }: LoadedModel,
  latents: Tensor,
  { onProgress, signal }: GenerateHooks = {},
): Promise<Tensor> {
  const image = keep(scope(() => run(unscaleLatents(latents, model.vae))));
  try {
    onProgress?.("decode", 0, 1);
    await realize([image], {
      ...(signal && { signal }),
      onProgress: (done, total) => onProgress?.("decode", total ? done / total : 1, 1),
    });
    return image;
  } catch (error) {
    image.dispose();
    throw error;
  }
}

async function encodeEach(
  loaded: LoadedModel,
  texts: readonly string[],
  hold: HeldContexts,
  { onProgress, onWarning, signal }: GenerateHooks,
): Promise<Map<string, EncodedTexts>> {
  const contexts = new Map<string, EncodedTexts>();
  signal?.throwIfAborted();
  onProgress?.("text", 0, texts.length);
  for (const text of texts) {
    const encoded = hold(() => encodeTexts(loaded, [text]));
    const [truncated] = encoded.truncated;
    if (truncated > 0)
      onWarning?.(
        `the text is ${truncated} tokens too long for the model, which reads ${loaded.model.tokenizer.maxLength}; its end is cut off: ${JSON.stringify(shortened(text))}`,
      );
    contexts.set(text, encoded);
    await realize([encoded.tokens], signal ? { signal } : {});
    onProgress?.("text", contexts.size, texts.length);
  }
  return contexts;
}

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}…` : text);
