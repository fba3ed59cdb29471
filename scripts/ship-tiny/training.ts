import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { openSafetensors } from "@snoopi/models";
import { fileSource } from "@snoopi/models/node";
import { checkpointPath } from "@snoopi/snoopi/node";
import { isThere } from "../../packages/snoopi/src/train/node/folder.ts";

/** What a training was told to do, and did. */
export interface Training {
  readonly steps: number;
  readonly config: Readonly<Record<string, unknown>>;
}

/**
 * What the checkpoint of a training says; undefined where there is none.
 * @throws SnoopiError when a run is at work in its folder, and when it has not taken all its steps.
 */
export async function finishedTraining(model: string, stage: string): Promise<Training | undefined> {
  const folder = join(model, "training", stage);
  if (isThere(join(folder, ".lock"))) {
    throw new SnoopiError(`${folder}: a run is at work in it, or was killed there. Wait for its end, or go on with --resume.`);
  }
  const path = checkpointPath(folder);
  if (!isThere(path)) return undefined;
  const file = await openSafetensors(await fileSource(path), path);
  await file.close();
  const { metadata } = file;
  const config = JSON.parse(metadata.get("snoopi.config") ?? "{}");
  const { step } = JSON.parse(metadata.get("snoopi.training") ?? "{}");
  const wanted = ({ ahead: config.ahead, regression: config.regression?.steps } as Record<string, number>)[stage] ?? config.steps;
  if (step !== wanted) {
    throw new SnoopiError(`${path}: ${step} of ${wanted} steps are taken. Go on with --resume, and ship what comes out.`);
  }
  return { steps: step, config };
}
