import { isTensor, keep, reshape, SnoopiError, show, type Tensor } from "@snoopi/core";

/** When a network runs: which step of the sampler, and the timestep it is given. */
export interface Moment {
  readonly step?: number;
  readonly timestep?: number;
}

/**
 * A strength: one number; a tensor `[B]`, one for each image; a record by parts of layer paths (the first key that a layer's path
 * contains applies, or 0 if there is none); or a function of the layer's path and the moment. Numbers are finite and ≥ 0; a tensor's
 * values are not checked.
 */
export type Strength = number | Tensor | Readonly<Record<string, number>> | ((path: string, moment: Moment) => number);

/** The strength in one layer at one moment, for a batch of that many images: a number, or a tensor `[B, 1, 1, 1]`. */
export interface Strengths extends Disposable {
  (path: string, moment: Moment, batch: number): number | Tensor;
}

/** Reads a strength of `what`. Throws for a number that is not finite and ≥ 0: at once if it is given as such, else when a layer asks. */
export function strengths(what: string, strength: Strength): Strengths {
  if (!isTensor(strength)) {
    if (typeof strength === "number") checked(what, strength);
    const at = (path: string, moment: Moment) => checked(what, numberAt(strength, path, moment), path);
    return Object.assign(at, { [Symbol.dispose]() {} });
  }
  if (strength.rank !== 1) throw new SnoopiError(`${what}: the scale is a tensor ${show(strength.shape)}, expected [B].`);
  const perImage = keep(reshape(strength, [-1, 1, 1, 1]));
  const of = (_path: string, _moment: Moment, batch: number): Tensor => {
    const [images] = perImage.shape;
    if (images === 1 || images === batch) return perImage;
    throw new SnoopiError(`${what}: the scale is a tensor [${images}] for a batch of ${batch}. Give one number for each image.`);
  };
  return Object.assign(of, { [Symbol.dispose]: () => perImage.dispose() });
}

function numberAt(strength: Exclude<Strength, Tensor>, path: string, moment: Moment): number {
  if (typeof strength === "number") return strength;
  if (typeof strength === "function") return strength(path, moment);
  return Object.entries(strength).find(([part]) => path.includes(part))?.[1] ?? 0;
}

function checked(what: string, value: number, path = ""): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new SnoopiError(`${what}: the scale is ${value}${path && ` in ${path}`}, expected a finite number ≥ 0.`);
}
