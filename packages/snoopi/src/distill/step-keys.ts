import { foldIn, type Key, split } from "@snoopi/core";

/** The keys of one step's random numbers: each kind has its own, so that changing one leaves the others. */
export interface StepKeys {
  readonly latents: Key;
  readonly timesteps: Key;
  readonly noise: Key;
  readonly kappa: Key;
  /** Which step of a multi-step student learns. */
  readonly step: Key;
  /** α of NASA. */
  readonly nasa: Key;
  /** For the LoRA teacher's update `i` of this step. */
  lora(i: number): LoraKeys;
}

export interface LoraKeys {
  readonly timesteps: Key;
  readonly noise: Key;
  readonly text: Key;
}

/** The keys of a step. Give each step its own, such as `foldIn(key, step)`: the step is then the same whenever it runs. */
export function stepKeys(key: Key): StepKeys {
  const [latents, timesteps, noise, kappa, lora, step, nasa] = split(key, 7);
  return {
    latents,
    timesteps,
    noise,
    kappa,
    step,
    nasa,
    lora(i) {
      const [timesteps, noise, text] = split(foldIn(lora, i), 3);
      return { timesteps, noise, text };
    },
  };
}
