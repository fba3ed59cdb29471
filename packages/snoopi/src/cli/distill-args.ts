import { SnoopiError } from "@snoopi/core";
import { distillSchema } from "../train/distill-config.ts";
import { configKeys } from "./config-keys.ts";
import { type DeviceWord, deviceIn, finite } from "./values.ts";
import { wordsOf } from "./words.ts";

/** What `snoopi distill` was asked for. */
export interface DistillOptions {
  readonly config: string;
  /** Overrides of the config's keys: `KEY=VALUE`. */
  readonly set: readonly string[];
  /** The teacher's folder, or a name of `shippedModels`. Only a dry run may omit it. */
  readonly model?: string;
  /** The student's folder. Only a dry run may omit it. */
  readonly out?: string;
  readonly resume: boolean;
  /** Another student's folder, whose pairs and regression are reused. */
  readonly start?: string;
  readonly dryRun: boolean;
  readonly device: DeviceWord;
  /** GiB that a dry run's figures are compared with. */
  readonly budget?: number;
}

const flags = ["--resume", "--dry-run"];

/** The teacher that ships. */
export const defaultTeacher = "tiny-teacher";

/** Reads and checks the words after `snoopi distill`. */
export function parseDistill(argv: readonly string[]): DistillOptions {
  const [resume, dryRun] = flags.map((flag) => argv.includes(flag));
  const { values, lists, positionals } = wordsOf(
    "distill",
    argv.filter((word) => !flags.includes(word)),
    ["config", "model", "out", "start", "device", "budget"],
    ["set"],
  );
  if (positionals.length > 0) {
    throw new SnoopiError(`distill: ${JSON.stringify(positionals.join(" "))} belongs to no option. See snoopi distill --help.`);
  }
  // A dry run without a model uses the published sizes of the config's preset, if it names one.
  const { config, model = dryRun ? undefined : defaultTeacher, out } = values;
  if (config === undefined) throw new SnoopiError("distill: --config FILE is missing. See snoopi distill --help.");
  if (out === undefined && !dryRun) throw new SnoopiError("distill: --out DIR is missing. See snoopi distill --help.");
  const device = deviceIn("distill", values);
  if (values.budget !== undefined && !dryRun) throw new SnoopiError("distill: --budget is for --dry-run. Leave it out.");
  if (values.start !== undefined && dryRun) throw new SnoopiError("distill: --start is for a run, and this is a --dry-run. Leave it out.");
  const budget = finite(values, "budget", { least: 0, command: "distill" });
  return {
    config,
    set: lists.set,
    resume,
    dryRun,
    device,
    ...(model !== undefined && { model }),
    ...(out !== undefined && { out }),
    ...(values.start !== undefined && { start: values.start }),
    ...(budget !== undefined && { budget }),
  };
}

export function distillHelp(): string {
  return `snoopi distill --config FILE.json --out DIR [--model TEACHER] [--set KEY=VALUE …]
               [--start DIR] [--resume] [--device NAME]
snoopi distill --config FILE.json --dry-run [--model TEACHER] [--set KEY=VALUE …]
               [--budget GIB] [--device NAME]

Makes a one-step student of a text-to-image model: pairs and a regression start
if the config says so, then distillation. Then snoopi generate --model DIR.
Ctrl-C stops with a checkpoint.

  --config FILE      keys and their values as JSON; absent keys are as below
  --set KEY=VALUE    says one key otherwise, such as method.loraKappa=4.5; may be
                     given many times; names of files are relative to FILE
  --model TEACHER    a diffusers folder; tiny-teacher, which ships with snoopi,
                     unless given
  --out DIR          the student's folder; DIR/training has checkpoints, curves
                     and sample sheets
  --resume           go on where it was
  --start DIR        take pairs and regression over from the folder of another student
                     with the same config so far; it changes nothing but the time
  --dry-run          say what a step needs and costs, without weights; without
                     --model for the sizes that the config names as preset, if any
  --budget GIB       what a dry run compares the memory with
  --device NAME      webgpu, cpu or auto (webgpu where there is an adapter)

${configKeys(distillSchema)}`;
}
