import type { Plan } from "../pipeline/request.ts";

interface MadeBy {
  readonly model: string;
  /** As `name:scale`. */
  readonly loras?: readonly string[];
  readonly software: string;
}

/** What a picture's file says of its making: enough to make it again. Keys are diffusers' argument names. */
export function metadataOf(plan: Plan, { model, loras = [], software }: MadeBy): Record<string, string> {
  const { steer, cfg, subtract } = plan;
  const negative = (steer ?? cfg ?? subtract)?.negative;
  return {
    prompt: plan.prompt,
    ...(negative && { negative_prompt: negative }),
    ...(steer?.method === "nasa" && { nasa_scale: String(steer.scale) }),
    seed: String(plan.seed),
    width: String(plan.width),
    height: String(plan.height),
    steps: String(plan.steps),
    ...(plan.steps > 1 && { sampler: plan.sampler }),
    ...(plan.timestep !== undefined && { timestep: String(plan.timestep) }),
    ...(cfg && { guidance_scale: String(cfg.scale) }),
    // Of the other methods a plan has only one: under the command's own names.
    ...(steer && steer.method !== "nasa" && { guidance: steer.method, guidance_scale: String(steer.scale) }),
    ...(subtract && { guidance: "subtract", guidance_scale: String(subtract.scale) }),
    model,
    ...(loras.length > 0 && { loras: loras.join(", ") }),
    software,
  };
}
