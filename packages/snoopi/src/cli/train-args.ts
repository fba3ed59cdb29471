import { SnoopiError } from "@snoopi/core";
import { type StageName, trainSchemas } from "../train/config.ts";
import { configKeys } from "./config-keys.ts";
import { type DeviceWord, deviceIn } from "./values.ts";
import { wordsOf } from "./words.ts";

/** What `snoopi train` was asked for. */
export interface TrainOptions {
  readonly stage: StageName;
  /** A JSON file; every key has a default. Absent: all defaults. */
  readonly config?: string;
  /** The model's folder: components are folders in it, and `training/STAGE/` holds checkpoint, curves and sample sheets. */
  readonly out: string;
  readonly resume: boolean;
  /** For a teacher: the folder of the model whose UNet it starts from. */
  readonly start?: string;
  readonly device: DeviceWord;
}

const stages = Object.keys(trainSchemas) as StageName[];

/** Reads and checks the words after `snoopi train`. */
export function parseTrain(argv: readonly string[]): TrainOptions {
  const resume = argv.includes("--resume");
  const { values, positionals } = wordsOf(
    "train",
    argv.filter((word) => word !== "--resume"),
    ["config", "out", "start", "device"],
  );
  const [name, ...others] = positionals;
  const stage = stages.find((one) => one === name);
  if (stage === undefined || others.length > 0) {
    throw new SnoopiError(`train: ${JSON.stringify(positionals.join(" "))} is no stage. Give one of ${stages.join(", ")}.`);
  }
  const { config, out, start } = values;
  if (out === undefined) throw new SnoopiError("train: --out DIR is missing. See snoopi train --help.");
  if (start !== undefined && stage !== "teacher")
    throw new SnoopiError(`train: --start is for a teacher, and this is ${stage}. Leave it out.`);
  return {
    stage,
    out,
    resume,
    device: deviceIn("train", values),
    ...(config !== undefined && { config }),
    ...(start !== undefined && { start }),
  };
}

/** Help on `snoopi train`; if a stage is given, also on every key of its config. */
export function trainHelp(argv: readonly string[]): string {
  const stage = stages.find((one) => argv.includes(one));
  const head = `snoopi train ${stage ?? stages.join("|")} --out DIR [options]

Trains one part of a small text-to-image model from nothing, on pictures of the
tiny world. Run vae and clip before teacher; then snoopi generate --model DIR.
Ctrl-C stops with a checkpoint.

  --out DIR          the model's folder; DIR/training/STAGE has checkpoint.safetensors,
                     loss.csv, loss.svg and the sample sheets
  --config FILE      keys and their values as JSON; absent keys are as below
  --resume           go on from the checkpoint
  --start DIR        of a teacher: begin with the UNet of that model, between its VAE
                     and text encoder, in place of random weights
  --device NAME      webgpu, cpu or auto (webgpu where there is an adapter)`;
  if (!stage) return `${head}\n\nsnoopi train STAGE --help lists the keys of its config.`;
  return `${head}\n\n${configKeys(trainSchemas[stage])}`;
}
