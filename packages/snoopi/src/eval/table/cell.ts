import { fillNormal, fillUniform, foldIn, type Key, keyFromSeed, type Shape, sizeOf } from "@snoopi/core";
import type { Numbers } from "../../train/stage.ts";
import type { Constraint } from "../../world/attributes.ts";
import { parseCaption, sampleExample } from "../../world/caption.ts";
import { type Scene, sampleScene } from "../../world/scene.ts";

/** κ of classifier-free guidance: one, or uniform between two, drawn for each picture. */
export type CellKappa = number | readonly [number, number];

/** How a model draws. */
export interface Drawing {
  readonly by: "model";
  /** The model's folder. */
  readonly model: string;
  readonly steps: number;
  readonly sampler: "ddim" | "few-step";
  /** Applies without `away`. 1 is no guidance. */
  readonly kappa: CellKappa;
  /** Negative guidance by a method of `guidanceNames`. */
  readonly away?: { readonly method: string; readonly negative: string; readonly scale: number };
}

/** Pictures that no UNet made: the world's own, with or without normal noise, or what a model's VAE makes of them. */
export interface Truth {
  readonly by: "render" | "round-trip";
  readonly model: string;
  readonly noise: number;
}

/** One entry of a table: which pictures to make and to judge. Plain data, so that it can be compared with what a state file holds. */
export interface Cell {
  /** Its file's name. */
  readonly name: string;
  readonly source: Drawing | Truth;
  /** `captions`: drawn as in training. A list: in turn. `scenes`: empty; the pictures are judged by all attributes of their scenes. */
  readonly prompts: "captions" | "scenes" | readonly string[];
  readonly pictures: number;
  /** Determines noise, captions and scenes. Two cells of one seed get the same. */
  readonly seed: number;
  /** What the negative names. */
  readonly lacks?: Constraint;
  /** Whether features are taken for distances to real pictures. */
  readonly features: boolean;
}

/** What pictures `first … first + count − 1` of a cell are made from and asked for. They depend on cell and index alone. */
export interface CellBatch {
  readonly prompts: readonly string[];
  readonly constraints: readonly Constraint[];
  readonly scenes: readonly Scene[];
}

const purposes = { captions: 1, scenes: 2, noise: 3, kappa: 4, pixels: 5 } as const;
const keyOf = (seed: number, purpose: keyof typeof purposes): Key => foldIn(keyFromSeed(seed), purposes[purpose]);

export function batchOf({ prompts, seed }: Cell, first: number, count: number): CellBatch {
  const indices = Array.from({ length: count }, (_, i) => first + i);
  if (prompts === "captions") {
    const examples = indices.map((i) => sampleExample(keyOf(seed, "captions"), i));
    return {
      prompts: examples.map(({ caption }) => caption),
      constraints: examples.map(({ constraint }) => constraint),
      scenes: examples.map(({ scene }) => scene),
    };
  }
  if (prompts === "scenes") {
    const scenes = indices.map((i) => sampleScene(keyOf(seed, "scenes"), i));
    return { prompts: scenes.map(() => ""), constraints: scenes.map(({ attributes }) => attributes), scenes };
  }
  const said = indices.map((i) => prompts[i % prompts.length]);
  const constraints = said.map(parseCaption);
  return { prompts: said, constraints, scenes: indices.map((i, at) => sampleScene(keyOf(seed, "scenes"), i, { fixed: constraints[at] })) };
}

/** Noise `[count, ...shape]` of pictures `first …` for step `step`. */
export function noiseOf(
  { seed }: Cell,
  { first, count, shape, step = 0 }: { first: number; count: number; shape: Shape; step?: number },
): Numbers {
  const length = sizeOf(shape);
  const data = new Float32Array(count * length);
  fillNormal(keyOf(seed, "noise"), step, data, { start: first * length });
  return { shape: [count, ...shape], data };
}

/** κ of pictures `first …`. */
export function kappasOf({ seed }: Cell, [low, high]: readonly [number, number], first: number, count: number): Float32Array {
  const u = new Float32Array(count);
  fillUniform(keyOf(seed, "kappa"), 0, u, { start: first });
  return u.map((place) => low + (high - low) * place);
}

/** Adds a truth's noise to pictures `first …`, in place. */
export function addPixelNoise({ seed }: Cell, { data, shape: [count] }: Numbers, { first, noise }: { first: number; noise: number }): void {
  if (noise === 0) return;
  const length = data.length / count;
  const normal = new Float32Array(data.length);
  fillNormal(keyOf(seed, "pixels"), 0, normal, { start: first * length });
  for (let i = 0; i < data.length; i++) data[i] += noise * normal[i];
}
