import { SnoopiError } from "@snoopi/core";

/** When a network runs: which step of the sampler, and the timestep it is given. */
export interface Moment {
  readonly step?: number;
  readonly timestep?: number;
}

/**
 * A strength: one number, one for each layer (parts of layer paths; the first key that the path contains counts, a layer that none
 * matches has 0), or a function of the layer's path and the moment.
 */
export type Strength = number | Readonly<Record<string, number>> | ((path: string, moment: Moment) => number);

/** The strength in one layer at one moment. Throws where it is not a finite number ≥ 0. */
export function strengthAt(what: string, strength: Strength, path: string, moment: Moment): number {
  const value =
    typeof strength === "number"
      ? strength
      : typeof strength === "function"
        ? strength(path, moment)
        : (Object.entries(strength).find(([part]) => path.includes(part))?.[1] ?? 0);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new SnoopiError(`${what}: the scale is ${value}${path && ` in ${path}`}, expected a finite number ≥ 0.`);
}
