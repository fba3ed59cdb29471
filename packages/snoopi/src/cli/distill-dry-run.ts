import { dirname, resolve } from "node:path";
import type { DryOptions } from "@snoopi/core";
import { type Facts, webgpuPlan } from "@snoopi/kernels";
import type { WebGpuDevice } from "@snoopi/kernels/node";
import { pixart512, sd15, sd21 } from "@snoopi/models";
import { modelFolder } from "@snoopi/models/node";
import { openModel } from "../pipeline/open.ts";
import { pixartShape, pixartTokens } from "../pipeline/pixart.ts";
import { modelShape } from "../pipeline/stable-diffusion.ts";
import { encodedAtOnce } from "../prompts/cached-embeddings.ts";
import { clipSizes } from "../train/clip-sizes.ts";
import { type DistillConfig, describeMethod } from "../train/distill-config.ts";
import { readClipDecoder } from "../train/node/clip-decoder.ts";
import { readClip } from "../train/node/distill-teacher.ts";
import { type DistillCost, distillCost, encodingCost, regressionCost, type StepCost } from "../train/student/dry.ts";
import type { DistillSizes } from "../train/student/dry-room.ts";
import { openDevice } from "./device.ts";
import type { DistillOptions } from "./distill-args.ts";
import { shownBytes } from "./progress.ts";
import { smallerBatches } from "./smaller-batches.ts";
import { grouped, shownFlops, table } from "./text.ts";

/** Assumed if there is no GPU to ask: a desktop's, with the binding sizes that WebGPU drivers grant there. */
const desktop: Facts = { subgroupSize: 32, software: false, maxBindingBytes: 2 ** 31 - 4, maxBufferBytes: 2 ** 32, maxInputs: 7 };

/** Prints what a distillation step needs and costs, and so for the phases before it that the config has. Returns whether all fit. */
export async function distillDryRun(config: DistillConfig, options: DistillOptions): Promise<boolean> {
  const sizes = await sizesOf(config, options);
  using opened = await openDevice(options.device);
  const facts = (opened.device as Partial<WebGpuDevice>).facts;
  const assumed = options.device === "cpu" ? undefined : (facts ?? desktop);
  const plan: DryOptions = assumed ? webgpuPlan(assumed) : {};
  const line = facts || !assumed ? opened.line : "device: none; counted as a desktop GPU's";
  const limits: Limits = { line, budget: options.budget, facts: assumed };
  const counted = new Map<number, DistillCost>();
  const costOf = (batch: number): DistillCost => {
    const cost = counted.get(batch) ?? distillCost({ ...config, batch }, sizes, plan);
    counted.set(batch, cost);
    return cost;
  };
  const { lines, fits } = shown(costOf(config.batch), limits);
  process.stdout.write(`${describeMethod(config)}\n${lines.join("\n")}\n`);
  const fitting = { fits: (cost: StepCost) => verdictsOf(cost, limits).every(({ fits }) => fits) };
  if (!fits && config.batch > 1) process.stdout.write(`${smallerBatches(config, { costOf, ...fitting }).join("\n")}\n`);

  const regressionOf = (batch: number) => regressionCost({ ...config, regression: { ...config.regression, batch } }, sizes, plan);
  const regression = regressionOf(config.regression.batch);
  const encoding = encodingCost(config, sizes, plan);
  if (encoding) process.stdout.write(`${before(`the texts, ${encodedAtOnce} at a time`, encoding, limits).join("\n")}\n`);
  if (regression) process.stdout.write(`${before("an update of the regression", regression, limits).join("\n")}\n`);
  if (regression && !fitting.fits(regression) && config.regression.batch > 1) {
    const smaller = smallerBatches(config.regression, { costOf: (batch) => regressionOf(batch)!, ...fitting, under: "regression." });
    process.stdout.write(`${smaller.join("\n")}\n`);
  }
  return fits && [encoding, regression].every((cost) => !cost || fitting.fits(cost));
}

/** Lines about what is done before the distillation. */
const before = (what: string, cost: StepCost, limits: Limits): string[] => [
  `before it, ${what}: ${shownBytes(cost.peakBytes)}, with what the device keeps for reuse ${shownBytes(cost.deviceBytes)}, ${shownFlops(cost.flops)}`,
  ...verdictsOf(cost, limits).map(({ text }) => text),
];

const presets = {
  sd15: () => modelShape(sd15, "sd15"),
  sd21: () => modelShape(sd21, "sd21"),
  pixart512: () => pixartShape(pixart512, { name: "pixart512", length: pixartTokens.alpha }),
};

async function sizesOf({ preset, clip }: DistillConfig, { model: path, config: file }: DistillOptions): Promise<DistillSizes> {
  const model = path === undefined ? presets[preset!]() : await openModel(await modelFolder(path));
  if (clip.weight === 0) return { model };
  const towers = path === undefined ? {} : { clip: clipSizes(await readClip(path), `${path}/clip/config.json`) };
  return { model, ...towers, ...(clip.decoder !== null && (await clipDecoderOf(resolve(dirname(file), clip.decoder), model))) };
}

/** The sizes of CLIP's decoder, or none if it does not exist yet: TAESD's are then used instead. */
async function clipDecoderOf(path: string, { vae }: DistillSizes["model"]): Promise<Pick<DistillSizes, "clipDecoder">> {
  const clipDecoder = await readClipDecoder(path, vae);
  if (clipDecoder) return { clipDecoder };
  process.stdout.write(`decoder for CLIP: no config.json in ${path}, counted as TAESD's (madebyollin/taesd)\n`);
  return {};
}

/** What is known of the device. */
interface Limits {
  readonly line: string;
  readonly budget: number | undefined;
  readonly facts: Facts | undefined;
}

/** A line for each limit that is known. */
function verdictsOf({ deviceBytes, largestBytes }: StepCost, { budget, facts }: Limits) {
  const verdicts: { readonly fits: boolean; readonly text: string }[] = [];
  if (budget !== undefined) {
    const fits = deviceBytes <= budget * 2 ** 30;
    const needed = (deviceBytes / 2 ** 30).toPrecision(3);
    verdicts.push({ fits, text: `${needed} GiB: ${fits ? "fits" : "does not fit"} into the budget of ${budget} GiB` });
  }
  if (facts) {
    const fits = largestBytes <= facts.maxBufferBytes;
    const text = `the largest tensor, ${shownBytes(largestBytes)}, ${fits ? "fits" : "does not fit"} into a buffer of this device, ${shownBytes(facts.maxBufferBytes)}`;
    verdicts.push({ fits, text });
  }
  return verdicts;
}

/** A report's lines, and whether the step fits what is known of the device. */
function shown(cost: DistillCost, limits: Limits): { readonly lines: string[]; readonly fits: boolean } {
  const { parameters, parts, peakBytes, deviceBytes, flops, dispatches } = cost;
  const rows = parts.map(([name, size]) => [name, shownBytes(size)]);
  const verdicts = verdictsOf(cost, limits);
  const fits = verdicts.every((one) => one.fits);
  const percent = (n: number) => `${((100 * n) / parameters.teacher).toPrecision(3)} %`;
  return {
    fits,
    lines: [
      limits.line,
      `parameters: teacher ${grouped(parameters.teacher)}, frozen`,
      `trained: student ${grouped(parameters.student)} (${percent(parameters.student)}), LoRA teacher ${grouped(parameters.loraTeacher)} (${percent(parameters.loraTeacher)})`,
      "memory of a step, at its peak:",
      ...table([...rows, ["in all", shownBytes(peakBytes)]], { right: [1] }),
      `  with what the device keeps for reuse ${shownBytes(deviceBytes)}`,
      `a step: ${shownFlops(flops)}, ${grouped(dispatches.captured)} kernels in its program, ${grouped(dispatches.all)} with its draws`,
      ...verdicts.map(({ text }) => text),
      ...(limits.budget === undefined ? ["WebGPU does not say how much memory there is: compare with --budget GIB."] : []),
    ],
  };
}
