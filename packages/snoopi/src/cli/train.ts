import { basename, dirname, join } from "node:path";
import { readJson } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { checkTrainConfig, type StageName, type TrainConfig, trainSchemas } from "../train/config.ts";
import { clipJob } from "../train/node/clip-job.ts";
import type { Job, JobOptions } from "../train/node/job.ts";
import { runTraining } from "../train/node/run.ts";
import { teacherJob } from "../train/node/teacher-job.ts";
import { vaeJob } from "../train/node/vae-job.ts";
import { readConfig } from "../train/schema.ts";
import { openDevice } from "./device.ts";
import type { Phase } from "./progress.ts";
import { openTerminal } from "./terminal.ts";
import type { TrainOptions } from "./train-args.ts";

const jobs: { readonly [N in StageName]: (config: TrainConfig<N>, options: JobOptions) => Job | Promise<Job> } = {
  vae: vaeJob,
  clip: clipJob,
  teacher: teacherJob,
};

/** Trains one network and writes it into the model's folder, or stops early with a checkpoint. Returns whether it finished. */
export async function trainCommand(
  { stage: name, out, resume, start, ...options }: TrainOptions,
  { signal }: { signal: AbortSignal },
): Promise<boolean> {
  const json = options.config === undefined ? {} : await readJson(nodeFolder(dirname(options.config)), basename(options.config));
  const config = readConfig(trainSchemas[name], json) as TrainConfig;
  checkTrainConfig(name, config);
  const { progress, say } = openTerminal();
  using opened = await openDevice(options.device);
  say(opened.line);
  try {
    using job = await jobs[name](config as never, { device: opened.device, out, signal, ...(start !== undefined && { start }) });
    let phase: Phase | undefined;
    const { finished, steps, weights } = await runTraining(job.stage, {
      folder: join(out, "training", name),
      settings: job.settings,
      checkpointEvery: config.checkpointEvery,
      sampleEvery: config.sampleEvery,
      config,
      resume,
      signal,
      sheet: job.sheet,
      onNote: say,
      onStep(taken, loss) {
        if (phase) phase.advance(1, `loss ${loss?.toPrecision(4)}`);
        else phase = progress.phase(name, config.steps, { from: taken });
      },
    });
    if (!finished) {
      say(`snoopi: stopped after ${steps} of ${config.steps} steps, with a checkpoint. Go on with --resume.`);
      return false;
    }
    phase?.done();
    process.stdout.write(`${await job.finish(weights)}\n`);
    return true;
  } finally {
    progress.close();
  }
}
