import { cpus } from "node:os";
import type { Sample, StepSample } from "../messages.ts";
import { median, minimum } from "../numbers.ts";
import type { Clock } from "../options.ts";
import { table } from "../report.ts";
import { comparedSteps, type Trained } from "./measure.ts";
import type { Network } from "./networks.ts";

export interface TrainingResult {
  readonly network: Network;
  readonly outcomes: readonly Trained[];
}

const short = (x: number): string => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
const megabytes = (x: number | undefined): string => (x === undefined ? "" : (x / 1e6).toFixed(1));

/** Milliseconds by a clock; CPU time is divided by the number of cores. */
const ms = (samples: readonly Sample[], clock: Clock): number[] => samples.map((s) => (clock === "wall" ? s.wall : s.cpu / cpus().length));

/** Least microseconds of JavaScript per dispatch; empty where samples do not tell. */
function each(samples: readonly StepSample[], of: (s: StepSample) => number | undefined, dispatches: number | undefined): string {
  const known = samples.map(of).filter((x) => x !== undefined);
  return dispatches && known.length ? short((1000 * minimum(known)) / dispatches) : "";
}

/** The table of training steps, and below it how we compare. */
export function trainingTable(results: readonly TrainingResult[], clock: Clock): string {
  const heading = [
    "one training step",
    "library",
    "ms (median)",
    "forward ms",
    "backward/forward",
    "dispatches",
    "JS µs a dispatch",
    "of it WebGPU",
    "until asked for",
    "tensors MB",
    "buffers MB",
    `loss after ${comparedSteps}`,
    "first s",
    "snoopi is",
  ];
  const rows = results.flatMap(({ network, outcomes }) => {
    const best = (o: Trained | undefined) => minimum(ms(o?.steps ?? [], clock));
    const ours = best(outcomes.find((o) => o.library === "snoopi"));
    return outcomes.map((o) => {
      const name = network.name.replace("training step: ", "");
      if (o.refused || o.steps.length === 0)
        return [name, o.library, o.refused?.startsWith("wrong") ? "wrong" : "–", ...Array(11).fill("")];
      const [step, forward] = [best(o), minimum(ms(o.forwards, clock))];
      return [
        name,
        o.library,
        `${short(step)} (${short(median(ms(o.steps, clock)))})`,
        short(forward),
        (step / forward - 1).toFixed(2),
        `${o.dispatches ?? ""}`,
        each(o.steps, (s) => s.call, o.dispatches),
        o.bare === undefined ? "" : short((1000 * o.bare) / o.dispatches!),
        each(o.steps, (s) => s.asked, o.dispatches),
        megabytes(o.tensorBytes),
        megabytes(o.bufferBytes),
        o.losses.at(-1)!.toFixed(4),
        o.first ? short(ms([o.first], clock)[0] / 1000) : "",
        o.library === "snoopi" || !Number.isFinite(ours) ? "" : `${short(step / ours)}×`,
      ];
    });
  });
  return [table([heading, ...rows]), ...results.flatMap(comparison(clock))].join("\n");
}

/** How much faster we are than the fastest other library in JavaScript on the same adapter, and who was not counted. */
const comparison =
  (clock: Clock) =>
  ({ network, outcomes }: TrainingResult): string[] => {
    const counted = outcomes.filter((o) => !o.refused && o.steps.length > 0);
    const ours = counted.find((o) => o.library === "snoopi");
    const best = (o: Trained) => minimum(ms(o.steps, clock));
    const peers = counted.filter((o) => o.on === "webgpu" && !o.library.startsWith("snoopi")).sort((a, b) => best(a) - best(b));
    return [
      ...(ours && peers.length
        ? [`${network.name}: ${short(best(peers[0]) / best(ours))}× the speed of ${peers[0].library}, the fastest other on the adapter`]
        : []),
      ...outcomes.filter((o) => o.refused).map((o) => `${network.name}, not counted: ${o.library}, ${o.refused}`),
    ];
  };

/** For the JSON: microseconds are enough. */
export function trainingFacts({ network, outcomes }: TrainingResult) {
  const round = (x: number) => Math.round(x * 1000) / 1000;
  const brief = (s: StepSample) => [s.wall, s.cpu, ...(s.call === undefined ? [] : [s.call, s.asked!])].map(round);
  return {
    case: network.name,
    outcomes: outcomes.map(({ steps, forwards, first, bare, ...rest }) => ({
      ...rest,
      ...(bare !== undefined && { bareMs: round(bare) }),
      ...(first && { firstMs: brief(first) }),
      ms: steps.map(brief),
      forwardMs: forwards.map(brief),
    })),
  };
}
