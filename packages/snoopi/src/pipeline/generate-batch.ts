import { alias, checkOptions, fromData, keep, type NamesOf, realize, SnoopiError, scope, type Tensor } from "@snoopi/core";
import { unscaleLatents } from "@snoopi/models";
import type { NegativeGuidance } from "../guidance/negative-guidance.ts";
import { subtractText } from "../guidance/subtract-text.ts";
import type { Numbers } from "../train/stage.ts";
import { type Advanced, advances, take } from "./advances.ts";
import { encodeTexts } from "./encode-texts.ts";
import { type GuidanceRequest, guidancePlan, guidanceRequestNames } from "./guidance-plan.ts";
import { guided } from "./guided.ts";
import { heldContexts } from "./held-contexts.ts";
import type { LoadedModel } from "./load.ts";
import { checkSampling, timestepOf } from "./request.ts";
import { renoises, type Sampler, type Sampling } from "./sampling.ts";

/** Several pictures, all drawn in the same way. */
export interface BatchRequest extends GuidanceRequest {
  /** One for each picture. */
  readonly prompts: readonly string[];
  /** The noise `[B, C, h, w]` that pictures start from; `lcm` and `few-step` take one for each of their steps. */
  readonly noises: readonly Numbers[];
  /** Passes, and how several follow each other. Default: as the model's own scheduler says. */
  readonly steps?: number;
  readonly sampler?: Sampler;
  /** The training timestep that the noise of one step is taken for. Default: the model's own, else the last. */
  readonly timestep?: number;
  /** κ of classifier-free guidance for each picture, the same in all its steps. In place of `guidance`. */
  readonly kappas?: Float32Array;
}

const batchNames: NamesOf<BatchRequest> = {
  prompts: true,
  ...guidanceRequestNames,
  noises: true,
  steps: true,
  sampler: true,
  timestep: true,
  kappas: true,
};

/**
 * Pictures `[B, 3, H, W]`, −1 black and 1 white, not clipped, of a batch of prompts: one text for each, one negative for all. The numbers
 * are on the host.
 *
 * @throws SnoopiError before it computes, for contradictory guidance and for noise that does not fit the prompts.
 */
export async function generateBatch(
  loaded: LoadedModel,
  request: BatchRequest,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Numbers> {
  const { model, device } = loaded;
  const { prompts, noises, kappas } = checkOptions("generateBatch", request, batchNames);
  const { steps = model.sampling.steps, sampler = model.sampling.sampler } = request;
  const { timestep: _, ...usual } = model.sampling;
  const timestep = timestepOf(model, { ...request, steps });
  const sampling: Sampling = { ...usual, steps, sampler, ...(timestep !== undefined && { timestep }) };
  checkSampling(model.schedule, sampling);
  checkBatch(request, sampling);
  const plan = kappas ? {} : guidancePlan(request, sampling);
  const owned = new Set<Tensor>();
  const held = (make: () => Tensor): Tensor => {
    const t = keep(scope(make));
    owned.add(t);
    return t;
  };
  const hold = heldContexts();
  const encoded = (texts: readonly string[]) => hold(() => encodeTexts(loaded, texts));
  let guidance: NegativeGuidance | undefined;
  let now: Advanced | undefined;
  try {
    signal?.throwIfAborted();
    // A text that all share is encoded and projected once.
    const prompt = encoded(new Set(prompts).size === 1 ? prompts.slice(0, 1) : prompts);
    const { without, ...used } = guided(loaded, plan, { textOf: (text) => encoded([text]), hold });
    guidance = used.guidance;
    let { denoise } = used;
    if (kappas) {
      const scales = held(() => fromData(kappas, { shape: [kappas.length, 1, 1, 1], dtype: "f32", device }));
      const nothing = encoded([""]);
      denoise = (x, t, context, step) => {
        const away = without(x, t, nothing, step);
        return away.add(without(x, t, context, step).sub(away).mul(scales));
      };
    }
    const { subtract } = plan;
    const context = subtract ? hold(() => subtractText(prompt, encoded([subtract.negative]), subtract)) : prompt;

    const noise = noises.map(({ shape, data }) => held(() => fromData(data, { shape, dtype: "f32", device })));
    now = [keep(alias(noise[0]))];
    for (const advance of advances(denoise, model.schedule, { ...sampling, context, noise: (i) => noise[i] })) {
      signal?.throwIfAborted();
      now = await take(advance, now, signal ? { signal } : {});
    }
    const [x] = now;
    const image = held(() => loaded.decode(unscaleLatents(x, model.vae)));
    await realize([image], signal ? { signal } : {});
    return { shape: image.shape, data: (await image.data()) as Float32Array };
  } finally {
    guidance?.[Symbol.dispose]();
    hold[Symbol.dispose]();
    for (const t of [...owned, ...(now ?? [])]) t?.dispose();
  }
}

function checkBatch({ prompts, noises, kappas, guidance, negative }: BatchRequest, { steps, sampler }: Sampling): void {
  if (prompts.length === 0) throw new SnoopiError("generate: there are no prompts. Give at least 1.");
  const wanted = renoises(sampler) ? steps : 1;
  if (noises.length !== wanted) throw new SnoopiError(`generate: there are ${noises.length} noises, and ${sampler} takes ${wanted}.`);
  for (const { shape } of noises) {
    if (shape[0] !== prompts.length) throw new SnoopiError(`generate: there are ${prompts.length} prompts and noise for ${shape[0]}.`);
  }
  if (!kappas) return;
  if (kappas.length !== prompts.length) {
    throw new SnoopiError(`generate: there are ${prompts.length} prompts and ${kappas.length} scales of guidance. Give one for each.`);
  }
  if (guidance !== undefined || negative !== undefined) {
    throw new SnoopiError("generate: scales of guidance for each picture go with no other guidance and no negative prompt.");
  }
}
