import { createDryDevice, SnoopiError, sizeOf } from "@snoopi/core";
import { footprint } from "@snoopi/kernels";
import {
  type ComponentWeights,
  type Folder,
  matchWeights,
  networkComponents,
  openPipelineFolder,
  type PipelineComponent,
  type PipelineFolder,
} from "@snoopi/models";
import { inSteps } from "../eval/table/table.ts";
import { estimate } from "../pipeline/estimate.ts";
import { type OpenModel, openModel } from "../pipeline/open.ts";
import { goesStraight } from "../pipeline/sampling.ts";
import { needed } from "../pipeline/shape.ts";
import { compareWeights } from "./inspect-match.ts";
import { shownBytes } from "./progress.ts";
import { grouped, shownFlops, some, table } from "./text.ts";

type Weights = ReadonlyMap<string, ComponentWeights>;

/** What a diffusers folder holds, whether `generate` can use it, and what it would take. */
export async function describeFolder(folder: Folder, variant: string | undefined): Promise<{ lines: string[]; usable: boolean }> {
  const options = variant === undefined ? {} : { variant };
  const pipeline = await openPipelineFolder(folder, options);
  const problems: string[] = [];
  const model = await openModel(folder, options).catch(noted(problems));
  const weights = new Map<string, ComponentWeights>();
  try {
    const rows = [["component", "class", "parameters", "dtypes", "bytes", "files"]];
    for (const component of pipeline.components.values()) {
      const opened = await weightsOf(pipeline, component, problems);
      if (opened) weights.set(component.name, opened);
      rows.push([component.name, component.className, ...columnsOf(opened)]);
    }
    const lines = [`${folder.name}: ${pipeline.className}`, ...table(rows, { right: [2, 4] })];
    if (model) {
      const match = compareWeights(model, weights);
      problems.push(...match.problems);
      lines.push(...match.lines, ...(model.ignored.length > 0 ? [`config keys without a meaning here: ${some(model.ignored)}`] : []));
      lines.push(scheduleLine(pipeline, model), sizeLine(model), await memoryLine(model, weights));
    }
    lines.push(...problems.map((problem) => `generate cannot use it: ${problem}`));
    return { lines, usable: problems.length === 0 };
  } finally {
    for (const opened of weights.values()) await opened.close();
  }
}

/** Collects SnoopiErrors for the end of the report; anything else is thrown. */
const noted = (problems: string[]) => (error: unknown) => {
  if (!(error instanceof SnoopiError)) throw error;
  if (!problems.includes(error.message)) problems.push(error.message);
  return undefined;
};

/** The weights of a component, if it has any. A network without weights is a problem. */
async function weightsOf(
  pipeline: PipelineFolder,
  { name, folder }: PipelineComponent,
  problems: string[],
): Promise<ComponentWeights | undefined> {
  const needed = networkComponents.includes(name);
  if (!needed && !(await folder.list()).some((file) => file.endsWith(".safetensors"))) return undefined;
  return pipeline.weights(name).catch(noted(needed ? problems : []));
}

function columnsOf(weights: ComponentWeights | undefined): string[] {
  if (!weights) return ["", "", "", ""];
  const entries = [...weights.entries.values()];
  const parameters = entries.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const dtypes = [...new Set(entries.map(({ dtype }) => dtype))].sort().join(", ");
  return [grouped(parameters), dtypes, shownBytes(weights.bytes), some(weights.files, 1)];
}

function scheduleLine(pipeline: PipelineFolder, { schedule: { config } }: OpenModel): string {
  const betas = config.trainedBetas ? "its own betas" : `${config.betaSchedule} betas ${config.betaStart} to ${config.betaEnd}`;
  const zero = config.rescaleBetasZeroSnr ? ", rescaled to zero terminal SNR" : "";
  const { className } = pipeline.component("scheduler");
  return `schedule (${className}): predicts ${config.predictionType}, ${config.numTrainTimesteps} timesteps, ${betas}${zero}, ${config.timestepSpacing} spacing`;
}

const sizeLine = ({ size, factor }: OpenModel): string =>
  `picture: ${size.width}×${size.height} unless told otherwise, any multiples of ${factor}`;

async function memoryLine(model: OpenModel, weights: Weights): Promise<string> {
  const halves = new Set<string>();
  for (const network of model.networks) {
    const entries = weights.get(network.component)?.entries ?? new Map();
    for (const [name, stored] of matchWeights(network.kind, entries, needed(network)).names) {
      if (entries.get(stored).dtype === "F16") halves.add(`${network.component}.${name}`);
    }
  }
  const { weightBytes, peakBytes, deviceBytes, flops } = await estimate(
    model,
    {},
    {
      device: createDryDevice({ bytes: footprint }),
      dtypeOf: (component, name) => (halves.has(`${component}.${name}`) ? "f16" : "f32"),
    },
  );
  return (
    `generate at ${model.size.width}×${model.size.height} in ${inSteps(model.sampling.steps)}${goesStraight(model.sampling) ? "" : " with guidance"}: ${shownBytes(weightBytes)} of weights and ` +
    `${shownBytes(peakBytes - weightBytes)} of activations at once, ${shownBytes(deviceBytes)} on a GPU with buffers kept for reuse; ${shownFlops(flops)}`
  );
}
