import { cp, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { readConfig, subfolder } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import type { Weights } from "../stage.ts";
import { writeComponent } from "./component.ts";

/** What a student takes from its teacher as it is. The scheduler is the same: one step is at its last training timestep. */
const taken = ["model_index.json", "scheduler", "text_encoder", "tokenizer", "vae", "clip", "feature_extractor"];

/** Writes a student as a pipeline of its own: `unet/` with its weights, and the other components of its teacher. */
export async function writeStudent(
  out: string,
  { teacher, weights }: { readonly teacher: string; readonly weights: Weights },
): Promise<void> {
  const config = await readConfig(subfolder(nodeFolder(teacher), "unet"));
  for (const name of taken) {
    const from = join(teacher, name);
    if (!(await stat(from).catch(() => undefined))) continue;
    await cp(from, join(out, name), { recursive: true, dereference: true }).catch((error: Error) => {
      throw new SnoopiError(
        `${join(out, name)}: it cannot be copied from the teacher, ${error.message}. Make room and go on with --resume.`,
        {
          cause: error,
        },
      );
    });
  }
  await writeComponent(join(out, "unet"), { config, weights, library: "diffusers" });
}

/** @throws SnoopiError where the student would overwrite its teacher. */
export function checkFolders(model: string, out: string): void {
  if (resolve(model) !== resolve(out)) return;
  throw new SnoopiError(`distill: --out is the teacher's folder ${model}. Give another, or the teacher's unet would be replaced.`);
}
