/** A training, named by its folder under `training/`, and what it leaves in a model's folder once finished. */
export interface Part {
  readonly stage: string;
  /** Trainings before it that leave nothing of their own. */
  readonly after?: readonly string[];
  readonly leaves: readonly string[];
}

export type ModelName = "teacher" | "student";

/**
 * What ships of each model, in the order in which it is trained. A teacher may ship before all of it is there; a student ships whole. A
 * student has a scheduler of its own, so that diffusers draws in as many steps as it learned.
 */
export const partsOf: { readonly [N in ModelName]: readonly Part[] } = {
  teacher: [
    { stage: "vae", leaves: ["vae"] },
    { stage: "clip", leaves: ["text_encoder", "tokenizer", "clip"] },
    { stage: "teacher", leaves: ["unet", "scheduler", "model_index.json"] },
  ],
  student: [
    {
      stage: "distill",
      after: ["pairs", "regression", "ahead"],
      leaves: ["unet", "scheduler", "text_encoder", "tokenizer", "vae", "model_index.json"],
    },
  ],
};
