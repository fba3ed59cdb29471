import { join } from "node:path";
import { cpu } from "@snoopi/core";
import { trainSchemas } from "../packages/snoopi/src/train/config.ts";
import { clipJob } from "../packages/snoopi/src/train/node/clip-job.ts";
import { runTraining } from "../packages/snoopi/src/train/node/run.ts";
import { teacherJob } from "../packages/snoopi/src/train/node/teacher-job.ts";
import { vaeJob } from "../packages/snoopi/src/train/node/vae-job.ts";
import { readConfig } from "../packages/snoopi/src/train/schema.ts";

// A teacher to distil from that takes a few seconds: 16 × 16 pixels, three steps of each stage.

const tower = { hiddenSize: 16, intermediateSize: 32, numHiddenLayers: 1, numAttentionHeads: 2, projectionDim: 16 };
const given = {
  vae: { batch: 4, network: { sampleSize: 16, blockOutChannels: [8, 8, 8], normNumGroups: 4 } },
  clip: { batch: 8, network: { imageSize: 8, patchSize: 4, ...tower } },
  teacher: { batch: 4, pool: 16, network: { blockOutChannels: [8], attentionHeadDim: 2, normNumGroups: 4 }, sample: { steps: 2 } },
};
const jobs = { vae: vaeJob, clip: clipJob, teacher: teacherJob };

/** Trains all of it into a folder. */
export async function writeMiniatureTeacher(model: string): Promise<void> {
  const { signal } = new AbortController();
  for (const name of ["vae", "clip", "teacher"] as const) {
    const config = readConfig(trainSchemas[name], { ...given[name], steps: 3 });
    using job = await jobs[name](config as never, { device: cpu, out: model, signal });
    const { weights } = await runTraining(job.stage, {
      folder: join(model, "training", name),
      settings: job.settings,
      checkpointEvery: 10,
      sampleEvery: 0,
      config,
      resume: false,
      signal,
      sheet: job.sheet,
    });
    await job.finish(weights);
  }
}
