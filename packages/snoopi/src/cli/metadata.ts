import type { Plan } from "../pipeline/request.ts";

/** What a picture's file says of its making: enough to make it again. Keys are diffusers' argument names. */
export function metadataOf(plan: Plan, { model, software }: { readonly model: string; readonly software: string }): Record<string, string> {
  const negative = plan.nasa?.negative ?? plan.cfg?.negative;
  return {
    prompt: plan.prompt,
    ...(negative && { negative_prompt: negative }),
    ...(plan.nasa && { nasa_scale: String(plan.nasa.scale) }),
    seed: String(plan.seed),
    width: String(plan.width),
    height: String(plan.height),
    steps: String(plan.steps),
    ...(plan.cfg && { guidance_scale: String(plan.cfg.scale) }),
    model,
    software,
  };
}
