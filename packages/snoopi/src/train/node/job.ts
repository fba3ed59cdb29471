import type { Device } from "@snoopi/core";
import type { Picture } from "../../pipeline/generate.ts";
import type { Stage, Weights } from "../stage.ts";
import type { StepSettings } from "../step.ts";

/** A stage, and what to make of its weights. */
export interface Job extends Disposable {
  readonly stage: Stage;
  readonly settings: StepSettings;
  /** A picture of what the weights can do. */
  sheet(weights: Weights): Promise<Picture>;
  /** Writes the components into the model's folder, and says in a line what came out. */
  finish(weights: Weights): Promise<string>;
}

export interface JobOptions {
  readonly device: Device;
  /** The model's folder: a component is a folder in it. */
  readonly out: string;
  /** For a teacher: the folder of the model whose UNet it starts from. Default: from scratch. */
  readonly start?: string;
  readonly signal: AbortSignal;
}
