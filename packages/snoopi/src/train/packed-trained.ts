import { sizeOf, type Tensor } from "@snoopi/core";
import { adamw, ema as emaOf, type Optimizer, type Parts, type Stateful } from "@snoopi/core/optim";
import type { Trained } from "../distill/update.ts";
import { packed } from "./packed.ts";
import type { Weights } from "./stage.ts";

/** The caller's parameters, trained end to end, with what a checkpoint holds of them. */
export interface PackedTrained extends Trained, Disposable {
  readonly parameters: Readonly<Record<string, Tensor>>;
  join(gradients: unknown): readonly Tensor[];
  /** Elements of each of the tensors that they are packed into. */
  readonly sizes: readonly number[];
  parts(taken: number): Parts;
  /** Picks up parameters that were assigned. */
  adopt(): void;
  /** The average where one is kept, else the parameters, on the host. */
  weights(): Promise<Weights>;
}

export interface PackedTrainedOptions {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
  readonly ema: number;
}

/** Elements of one pack: 128 MiB of f32, which every WebGPU device can bind. A larger parameter has a pack of its own. */
const most = 2 ** 25;

/**
 * Parameters packed into a few tensors, so that clipping, optimiser and average are a few kernels whatever the network, for a captured
 * distillation.
 */
export function packedTrained(
  parameters: Readonly<Record<string, Tensor>>,
  { lr, betas, weightDecay, ema }: PackedTrainedOptions,
): PackedTrained {
  const packs = grouped(parameters).map(packed);
  const all = packs.map((pack) => pack.all);
  const optimizer = adamw(all, { lr, betas, weightDecay, gated: true });
  const average = ema > 0 ? emaOf(all, { decay: ema, gated: true }) : undefined;
  const settling: Optimizer = {
    ...optimizer,
    get steps() {
      return optimizer.steps;
    },
    step(gradients, options) {
      optimizer.step(gradients, options);
      for (const pack of packs) pack.settle();
    },
  };
  return {
    parameters,
    sizes: all.map(({ shape }) => sizeOf(shape)),
    optimizer: settling,
    ...(average && { ema: average }),
    join: (gradients) => packs.map((pack) => pack.join(gradients as Readonly<Record<string, Tensor>>)),
    parts: (taken) => ({
      weights: parameters,
      optimizer: counted(optimizer, { steps: taken }),
      ...(average && { average: counted(average, { updates: taken }) }),
    }),
    adopt() {
      for (const pack of packs) pack.adopt();
    },
    async weights() {
      const values = average ? average.tensors() : all;
      const read: [string, Weights extends ReadonlyMap<string, infer N> ? N : never][] = [];
      for (const [i, pack] of packs.entries()) read.push(...(await pack.read(values[i])));
      return new Map(read);
    },
    [Symbol.dispose]() {
      optimizer[Symbol.dispose]();
      average?.[Symbol.dispose]();
      for (const pack of packs) pack[Symbol.dispose]();
    },
  };
}

/** A part with its counts corrected: its own are of recordings, and a captured step is recorded twice at most. */
const counted = (part: Stateful, numbers: Readonly<Record<string, number>>): Stateful => ({
  state: () => ({ ...part.state(), numbers }),
  restore: (state) => part.restore(state),
});

function grouped(parameters: Readonly<Record<string, Tensor>>): Record<string, Tensor>[] {
  const groups: Record<string, Tensor>[] = [];
  let room = 0;
  for (const [name, t] of Object.entries(parameters)) {
    const size = sizeOf(t.shape);
    if (groups.length === 0 || size > room) {
      groups.push({});
      room = most;
    }
    groups[groups.length - 1][name] = t;
    room -= size;
  }
  return groups;
}
