import { type Child, start } from "../child.ts";
import type { LibraryInfo } from "../library.ts";
import type { Asked, Held, Sample, StepSample } from "../messages.ts";
import type { Network } from "./networks.ts";
import { startPython } from "./python.ts";
import { pytorch } from "./trainer.ts";

/** One library's result on one network. */
export interface Trained extends Held, Asked {
  readonly library: string;
  readonly version: string;
  readonly on: LibraryInfo["on"];
  readonly steps: readonly StepSample[];
  readonly forwards: readonly StepSample[];
  /** The first step: nothing compiled yet. */
  readonly first?: Sample;
  readonly losses: readonly number[];
  /** Why there are no samples. */
  readonly refused?: string;
}

/** Steps after which losses are compared; they also warm up. */
export const comparedSteps = 10;

/**
 * Largest relative difference between two libraries' losses at any of the first steps. Each of these steps lowers the loss by 3 % or more, so
 * a gradient or an update that is wrong by a thirtieth shows within one. Rounding in f32 stayed below a fifth of it: most comes from
 * activations close to zero, whose ReLU passes a gradient in one library and none in the other, and grows from step to step.
 */
const tolerance = 1e-3;

/** Compiling a step takes some libraries minutes. */
const limitMs = 480_000;
/** A library whose step takes longer is sampled once per round. */
const slowMs = 500;

/** Trains a network with every library in a process of its own: each for some steps first, then they take turns. */
export async function measureTraining(
  network: Network,
  { libraries, python, rounds }: { libraries: readonly LibraryInfo[]; python: string | undefined; rounds: number },
): Promise<Trained[]> {
  const children: Child[] = [];
  const open = async (name: string, starting: Promise<Child>) => {
    try {
      children.push(await starting);
    } catch (error) {
      console.error(`bench: ${name} is left out: ${(error as Error).message}`);
    }
  };
  try {
    for (const info of libraries) await open(info.name, start(info, { worker: "training/worker.ts", limitMs }));
    if (python) await open(pytorch.name, startPython(python));
    const contestants: Contestant[] = [];
    for (const child of children) contestants.push(await prepare(network, child, contestants));
    for (let round = 0; round < rounds; round++) {
      for (const contestant of contestants) {
        await time(contestant, "step");
        await time(contestant, "forward");
      }
    }
    for (const { child, trained } of contestants) {
      if (trained.refused) continue;
      const answer = await child.ask({ kind: "facts" });
      if (answer.kind !== "facts") continue;
      const { kind: _, ...facts } = answer;
      Object.assign(trained, facts);
    }
    return contestants.map(({ trained }) => trained);
  } finally {
    for (const child of children) child.stop();
  }
}

interface Contestant {
  readonly child: Child;
  readonly trained: { -readonly [K in keyof Trained]: Trained[K] } & { readonly steps: StepSample[]; readonly forwards: StepSample[] };
}

/** Runs the first steps, whose losses must match those of the library that went first. */
async function prepare(network: Network, child: Child, [first]: readonly Contestant[]): Promise<Contestant> {
  const { name: library, on } = child.info;
  const trained: Contestant["trained"] = { library, version: child.version, on, steps: [], forwards: [], losses: [] };
  const answer = await child.ask({ kind: "train", name: network.name, steps: comparedSteps });
  if (answer.kind !== "trained") {
    trained.refused = answer.kind === "failed" ? answer.message : `answered ${answer.kind}`;
    return { child, trained };
  }
  const { kind: _, ...facts } = answer;
  Object.assign(trained, facts);
  const reference = first && !first.trained.refused ? first.trained : trained;
  const difference = Math.max(...trained.losses.map((loss, i) => Math.abs(loss / reference.losses[i] - 1)));
  if (!(difference < tolerance)) trained.refused = `wrong: losses differ by ${difference.toExponential(1)} from ${reference.library}`;
  return { child, trained };
}

async function time({ child, trained }: Contestant, what: "step" | "forward"): Promise<void> {
  if (trained.refused) return;
  const all = what === "step" ? trained.steps : trained.forwards;
  const answer = await child.ask({ kind: "time", what, samples: all[0]?.wall > slowMs ? 1 : 3 });
  if (answer.kind === "timed") all.push(...answer.samples);
  else trained.refused = answer.kind === "failed" ? answer.message : `answered ${answer.kind}`;
}
