import { join, resolve } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { type JsonObject, readConfig, readJson, subfolder } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import type { Network } from "../../pipeline/shape.ts";
import type { Weights } from "../stage.ts";
import { writeComponent, writeJson } from "./component.ts";
import { isThere, makeFolder } from "./folder.ts";
import { type Take, takeComponents } from "./take-components.ts";

/**
 * Writes a student as a pipeline of its own: the network with its weights, and the other components of its teacher. Its scheduler is
 * diffusers' `LCMScheduler`, which predicts x₀ and adds noise again at each step, as the student learned to, and in one step goes from the
 * last training timestep to x₀. For the student's number of steps it has the student's timesteps, or lower ones if that does not divide the
 * training timesteps.
 */
export async function writeStudent(out: string, { teacher, component, weights, take, ...drawing }: StudentParts): Promise<void> {
  const config = await readConfig(subfolder(nodeFolder(teacher), component));
  await takeComponents(teacher, out, take);
  await writeComponent(join(out, component), { config, weights, library: "diffusers" });
  await writeScheduler(out, { teacher, ...drawing });
}

/** Writes the scheduler of a student, made of its teacher's, and the index that names it. */
export async function writeScheduler(
  out: string,
  { teacher, steps, timestep }: Omit<StudentParts, "weights" | "component">,
): Promise<void> {
  const scheduler = await readJson(subfolder(nodeFolder(teacher), "scheduler"), "scheduler_config.json");
  const name = "LCMScheduler";
  // It takes every n-th of `original_inference_steps` evenly spaced timesteps: in that many steps all, as in backward simulation.
  const own = {
    ...scheduler,
    _class_name: name,
    original_inference_steps: steps,
    timestep_scaling: 10,
    ...(timestep !== undefined && { first_timestep: timestep }),
  };
  await makeFolder(join(out, "scheduler"));
  await writeJson(join(out, "scheduler", "scheduler_config.json"), own);
  await writeIndex(out, teacher, { scheduler: ["diffusers", name] });
}

/**
 * Writes the index of a model that is made of another's components, after these: it names those that are there. For one that an index names
 * and the folder lacks, diffusers' `from_pretrained` fails; the safety checker is never taken over.
 */
export async function writeIndex(out: string, from: string, own: JsonObject = {}): Promise<void> {
  const index = await readJson(nodeFolder(from), "model_index.json");
  const named = Object.entries(index).map(([name, value]) => {
    const lacks = Array.isArray(value) && !isThere(join(out, name));
    return [name, lacks ? [null, null] : value];
  });
  const checker = "safety_checker" in index && { requires_safety_checker: false };
  await writeJson(join(out, "model_index.json"), { ...Object.fromEntries(named), ...own, ...checker });
}

/** @throws SnoopiError where a model would overwrite the one that it is made from. */
export function checkFolders(model: string, out: string, { command = "distill", what = "teacher" } = {}): void {
  if (resolve(model) !== resolve(out)) return;
  throw new SnoopiError(`${command}: --out is the ${what}'s folder ${model}. Give another, or the ${what} would be replaced.`);
}

export interface StudentParts {
  readonly teacher: string;
  /** Of the network that was trained. */
  readonly component: Network["component"];
  readonly weights: Weights;
  /** Steps that it draws in. */
  readonly steps: number;
  /** Where a single one begins, if not at the last timestep. diffusers is told so by the call: `timesteps=[400]`. */
  readonly timestep?: number;
  /** Default a copy. */
  readonly take?: Take;
}
