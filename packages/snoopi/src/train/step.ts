import {
  type Captured,
  capture,
  concat,
  type Device,
  fromData,
  keep,
  noGrad,
  reshape,
  scope,
  type Tensor,
  valueAndGradients,
} from "@snoopi/core";
import { clipFactor, globalNorm, type Parts } from "@snoopi/core/optim";
import { meanOver } from "../distill/mean-over.ts";
import { cameOutOnDevice } from "../distill/update.ts";
import { packedTrained } from "./packed-trained.ts";
import { type Rate, rateAt } from "./rate.ts";
import { type Batch, type Stage, uploaded, type Weights } from "./stage.ts";

export interface StepSettings {
  readonly steps: number;
  readonly rate: Rate;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
  /** Gradients are scaled down so that their norm is at most this. */
  readonly maxNorm: number;
  /** Decay of the average of the parameters; 0 keeps none. */
  readonly ema: number;
  /** Batches of a step, run one after another; the step follows their mean loss. Default 1. */
  readonly accumulate?: number;
}

/** A stage with its optimiser. */
export interface Trainer extends Disposable {
  /** All that a checkpoint holds after `taken` steps. */
  parts(taken: number): Parts;
  /** Picks up parameters that were assigned, such as by reading a checkpoint. */
  adopt(): void;
  /** Hands a step to the device without reading its result. */
  launch(step: number, batches: readonly Batch[]): Tensor;
  /**
   * Runs step `step` on its batches, the same number each time; the result, once read back, is the mean loss, the norm of the mean
   * gradients before clipping, and the means of the stage's other figures. A step whose loss or gradients are not finite changes nothing.
   */
  step(step: number, batches: readonly Batch[]): Promise<Readonly<Record<string, number>>>;
  /** The average where one is kept, else the parameters, on the host. */
  weights(): Promise<Weights>;
  /** Kernels of a step, once one has run. */
  readonly dispatches: number;
}

/**
 * The training step of a stage as one captured program: loss, gradients, clipping, AdamW and average. Loss and gradients are checked on the
 * device, so that one that is not finite leaves parameters, optimiser and average as they were.
 */
export function trainer(stage: Stage, { steps, rate, maxNorm, ema, betas, weightDecay }: StepSettings): Trainer {
  const { parameters, device } = stage;
  const moved = packedTrained(parameters, { lr: rate.peak, betas, weightDecay, ema });
  let names: readonly string[] = [];
  const learn = (batch: Readonly<Record<string, Tensor>>) => {
    let told: Readonly<Record<string, Tensor>> = {};
    const [loss, gradients] = valueAndGradients(parameters, () => {
      const { loss, ...others } = stage.loss(batch);
      // These figures are made in the gradient's scope, which ends before they are read.
      told = Object.fromEntries(Object.entries(others).map(([name, t]) => [name, keep(t)]));
      return loss;
    });
    return { loss, joined: moved.join(gradients), told };
  };
  const program: Captured<[readonly Readonly<Record<string, Tensor>>[], Tensor], Tensor> = capture(
    (batches, lr) => {
      const { loss, joined, told } = meanOver(batches, learn);
      const norm = globalNorm(joined);
      const finite = cameOutOnDevice(loss, norm);
      moved.optimizer.step(joined, { lr, scale: clipFactor(norm, maxNorm), finite });
      moved.ema?.update({ finite });
      names = ["loss", "norm", ...Object.keys(told)];
      const report = concat([loss, norm, ...Object.values(told)].map((t) => reshape(t, [1])));
      for (const t of Object.values(told)) t.dispose();
      return report;
    },
    { device },
  );
  const launch = (step: number, batches: readonly Batch[]) =>
    noGrad(() =>
      scope(() =>
        program(
          batches.map((batch) => uploaded(batch, device)),
          scalar(rateAt(rate, step, steps), device),
        ),
      ),
    );
  return {
    parts: moved.parts,
    adopt: moved.adopt,
    launch,
    step(step, batches) {
      const report = launch(step, batches);
      device.submit();
      return readReport(report, names);
    },
    weights: moved.weights,
    get dispatches() {
      return program.dispatches;
    },
    [Symbol.dispose]() {
      program[Symbol.dispose]();
      moved[Symbol.dispose]();
    },
  };
}

const scalar = (value: number, device: Device): Tensor => fromData(Float32Array.of(value), { shape: [], dtype: "f32", device });

async function readReport(report: Tensor, names: readonly string[]): Promise<Record<string, number>> {
  try {
    const values = await report.data();
    return Object.fromEntries(names.map((name, i) => [name, values[i]]));
  } finally {
    report.dispose();
  }
}
