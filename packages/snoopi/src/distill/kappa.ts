import { fillUniform, type Key, SnoopiError, split } from "@snoopi/core";

/** A guidance scale: one number, or uniform between two. */
export type Kappa = { readonly fixed: number } | { readonly uniform: readonly [min: number, max: number] };

/** How κ of the teacher and of the LoRA teacher are chosen in a step: by Eq. 6, Eq. 7 or anything between. */
export interface KappaSampler {
  readonly teacher: Kappa;
  readonly lora: Kappa;
  /** One draw for the batch, or one for each sample. The latter has 1/B of the former's variance in the gradient. */
  readonly per: "batch" | "sample";
  /** Whether both teachers share a draw. It is a relative position in the interval, so that their intervals may differ. */
  readonly draws: "shared" | "independent";
}

/** κ of each sample. */
export interface Kappas {
  readonly teacher: Float32Array;
  readonly lora: Float32Array;
}

type Granularity = Pick<KappaSampler, "per" | "draws">;
const usual: Granularity = { per: "sample", draws: "shared" };

/** Eq. 6: κ is one number for both. SwiftBrush has 4.5. */
export const fixedKappa = (fixed: number): KappaSampler => ({ teacher: { fixed }, lora: { fixed }, ...usual });

/** Eq. 7: κ ~ U(min, max) for both. SNOOPI has (0.5, 4) for Stable Diffusion and (0.5, 3) for PixArt. */
export const uniformKappa = (min: number, max: number, how: Partial<Granularity> = {}): KappaSampler => ({
  teacher: { uniform: [min, max] },
  lora: { uniform: [min, max] },
  ...usual,
  ...how,
});

/** The fixed κ whose expected gradient is that of {@link uniformKappa}: its mean. */
export const meanKappa = (min: number, max: number): KappaSampler => fixedKappa((min + max) / 2);

/** The rows of SNOOPI's Table 2, named by whose κ is random, and a control it lacks (`mean`). `fixed` is κ where it is not random. */
export function table2(min: number, max: number, { fixed = 4.5 }: { readonly fixed?: number } = {}) {
  const [random, still] = [{ uniform: [min, max] }, { fixed }] as const;
  return {
    none: { teacher: still, lora: still, ...usual },
    teacher: { teacher: random, lora: still, ...usual },
    lora: { teacher: still, lora: random, ...usual },
    both: { teacher: random, lora: random, ...usual },
    mean: meanKappa(min, max),
  } as const satisfies Record<string, KappaSampler>;
}

/**
 * κ of the teacher and of the LoRA teacher for each of `batch` samples.
 * @throws SnoopiError for a κ that is not finite and for an interval whose ends are reversed.
 */
export function drawKappas(sampler: KappaSampler, { batch, key }: { readonly batch: number; readonly key: Key }): Kappas {
  const [first, second] = split(key, 2);
  const keys = { teacher: first, lora: sampler.draws === "shared" ? first : second };
  const drawn = (who: "teacher" | "lora"): Float32Array => {
    const place = new Float32Array(batch);
    fillUniform(keys[who], 0, place);
    const [min, max] = boundsOf(who, sampler[who]);
    return place.map((u) => min + (max - min) * (sampler.per === "batch" ? place[0] : u));
  };
  return { teacher: drawn("teacher"), lora: drawn("lora") };
}

function boundsOf(who: string, kappa: Kappa): readonly [number, number] {
  const [min, max] = "fixed" in kappa ? [kappa.fixed, kappa.fixed] : kappa.uniform;
  if (!Number.isFinite(min) || !Number.isFinite(max) || min > max) {
    throw new SnoopiError(`kappa: the ${who}'s κ goes from ${min} to ${max}. Give finite numbers, the smaller first.`);
  }
  return [min, max];
}
