import { join, resolve } from "node:path";
import { type Device, SnoopiError } from "@snoopi/core";
import {
  manifest,
  openComponentWeights,
  type Params,
  readConfig,
  readJson,
  schedulerConfig,
  subfolder,
  type UNetConfig,
  unetConfig,
} from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { stableDiffusionConfig } from "../../schedule/config.ts";
import type { NoiseSchedule } from "../../schedule/noise-schedule.ts";
import { differences } from "../schema.ts";
import { namesIn } from "./folder.ts";
import { openNetwork } from "./network.ts";
import { originOf } from "./origin.ts";
import { secondName } from "./second-name.ts";
import { takeComponents } from "./take-components.ts";

const fix = "Train it as that was, or leave --start out";

/**
 * Gives the model in folder `out` the VAE and text encoder of the one that it starts from, and what belongs to them.
 * @throws SnoopiError if `out` is that model itself, or has others already.
 */
export async function takeBetween({ start, out }: { readonly start: string; readonly out: string }): Promise<void> {
  if (resolve(start) === resolve(out)) {
    throw new SnoopiError(`train: --start is --out itself, ${out}, and its unet would be replaced. Give another --out.`);
  }
  for (const component of ["vae", "text_encoder"]) {
    const there = await originOf(start, [component]);
    // No weights there yet: a new run, or one that was killed before it took them.
    if (!(await namesIn(join(out, component))).some((name) => name.endsWith(".safetensors"))) continue;
    const here = await originOf(out, [component]);
    if (here === there) continue;
    throw new SnoopiError(
      `${join(out, component)}: its weights are ${here}, and those of ${join(start, component)}, between which the unet was trained, ${there}. Give another --out, or leave --start out.`,
    );
  }
  // Each file whole or not at all; existing ones stay.
  await takeComponents(start, out, secondName);
}

export interface StartOptions {
  readonly network: UNetConfig;
  readonly schedule: NoiseSchedule;
  readonly build: (p: Params) => unknown;
  readonly device: Device;
}

/**
 * The weights of a model's UNet, f32, and their origin.
 * @throws SnoopiError if it is another network than the one to train, or learned another schedule, saying how they differ.
 */
export async function openStart(start: string, { network, schedule, build, device }: StartOptions) {
  const folder = nodeFolder(start);
  const agree = (name: string, there: object, here: object) => {
    const different = differences(there, here, ["ignored"]);
    if (different.length > 0) throw new SnoopiError(`${join(start, name)}: it is of another config: ${different.join("; ")}. ${fix}.`);
  };
  agree("unet", unetConfig(await readConfig(subfolder(folder, "unet"))), network);
  const scheduler = await readJson(subfolder(folder, "scheduler"), "scheduler_config.json");
  agree("scheduler", stableDiffusionConfig(schedulerConfig(scheduler, { as: "DDIMScheduler" })), schedule.config);
  const origin = await originOf(start, ["unet"]);
  const { tensors } = await openNetwork("unet", await openComponentWeights(subfolder(folder, "unet")), { build, device, dtype: "f32" });
  // In the network's order, not the file's.
  return { parameters: Object.fromEntries([...manifest(build).keys()].map((name) => [name, tensors.get(name)!])), origin };
}
