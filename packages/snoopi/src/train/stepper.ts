import type { Parts } from "@snoopi/core/optim";
import { firstNotFinite } from "./diagnose.ts";
import { rateAt } from "./rate.ts";
import type { Batch, Stage, Weights } from "./stage.ts";
import { type StepSettings, trainer } from "./step.ts";

/** Something that is trained step by step. What a step does depends on its number alone, so that a resumed run does the same. */
export interface Stepper extends Disposable {
  /** Names the model in its checkpoints. */
  readonly name: string;
  /** All that a checkpoint holds after `taken` steps. */
  parts(taken: number): Parts;
  /** Picks up parameters that were assigned, such as by reading a checkpoint. */
  adopt(): void;
  /** Runs a step and returns its figures, `loss` among them. `next` says whether another follows, which may be prepared meanwhile. */
  step(step: number, options: { readonly next: boolean }): Promise<Readonly<Record<string, number>>>;
  /** Whether a step with such figures, not all finite, has left everything as it was. */
  unmoved(report: Readonly<Record<string, number>>): boolean;
  /** The first tensor of a step that is not finite. */
  firstNotFinite(step: number): Promise<string | undefined>;
  /** The trained weights: the average if one is kept. */
  weights(): Promise<Weights>;
}

/** A stage trained by one optimiser. Batches are numbered through all steps. */
export function stepperOf(stage: Stage, settings: StepSettings): Stepper {
  const training = trainer(stage, settings);
  const { accumulate = 1 } = settings;
  const batchesOf = (step: number) => Array.from({ length: accumulate }, (_, i) => stage.batch(step * accumulate + i));
  let prepared: { readonly step: number; readonly batches: readonly Batch[] } | undefined;
  return {
    name: stage.name,
    parts: training.parts,
    adopt: training.adopt,
    async step(step, { next }) {
      const running = training.step(step, prepared?.step === step ? prepared.batches : batchesOf(step));
      // The next batches are made while the device is busy with these.
      prepared = next ? { step: step + 1, batches: batchesOf(step + 1) } : undefined;
      return { ...(await running), rate: rateAt(settings.rate, step, settings.steps) };
    },
    unmoved: () => true,
    async firstNotFinite(step) {
      for (const [i, batch] of batchesOf(step).entries()) {
        const found = await firstNotFinite(stage, batch);
        if (found) return accumulate === 1 ? found : `in batch ${i + 1} of ${accumulate}, ${found}`;
      }
      return undefined;
    },
    weights: training.weights,
    [Symbol.dispose]: () => training[Symbol.dispose](),
  };
}
