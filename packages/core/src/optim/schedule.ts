import { SnoopiError } from "../error.ts";
import { checkNumber } from "./check-number.ts";

/** A learning rate as a function of the step, as data that can be written into a config. After its last step it stays constant. */
export type Schedule =
  | { readonly type: "constant"; readonly lr: number }
  /** Linearly from `lr` to `end`, default 0, in `steps`. */
  | { readonly type: "linear"; readonly lr: number; readonly end?: number; readonly steps: number }
  /** From `lr` to `end`, default 0, in `steps`, along half a period of a cosine. */
  | { readonly type: "cosine"; readonly lr: number; readonly end?: number; readonly steps: number }
  /** Linearly from 0 to the first rate of `before`, in `steps`; then that schedule. */
  | { readonly type: "warmup"; readonly steps: number; readonly before: Schedule }
  /** `lr`, multiplied by `factor` for every step in `at` that has been reached. */
  | { readonly type: "steps"; readonly lr: number; readonly at: readonly number[]; readonly factor: number };

/**
 * The learning rate of a step, counted from 0: diffusers' schedules, where a warmup's first step has a rate of 0.
 * @throws SnoopiError for an invalid step or schedule.
 */
export function lrAt(schedule: Schedule, step: number): number {
  checkNumber("schedule", { step });
  switch (schedule.type) {
    case "constant":
      checkNumber("schedule", { lr: schedule.lr });
      return schedule.lr;
    case "linear":
      return between(schedule, step, (done) => 1 - done);
    case "cosine":
      return between(schedule, step, (done) => 0.5 * (1 + Math.cos(Math.PI * done)));
    case "warmup":
      checkLength(schedule);
      return step < schedule.steps ? (lrAt(schedule.before, 0) * step) / schedule.steps : lrAt(schedule.before, step - schedule.steps);
    case "steps":
      checkNumber("schedule", { lr: schedule.lr, factor: schedule.factor });
      return schedule.lr * schedule.factor ** schedule.at.filter((reached) => step >= reached).length;
    default:
      throw new SnoopiError(
        `schedule: the type is ${JSON.stringify((schedule as { type: unknown }).type)}. Use constant, linear, cosine, warmup or steps.`,
      );
  }
}

function between(
  schedule: { readonly lr: number; readonly end?: number; readonly steps: number },
  step: number,
  share: (done: number) => number,
): number {
  const { lr, end = 0, steps } = schedule;
  checkNumber("schedule", { lr, end });
  checkLength(schedule);
  return end + (lr - end) * share(Math.min(step / steps, 1));
}

function checkLength({ steps }: { readonly steps: number }): void {
  if (!(Number.isSafeInteger(steps) && steps > 0)) throw new SnoopiError(`schedule: it has ${steps} steps. Give a whole number above 0.`);
}
