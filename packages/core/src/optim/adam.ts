import { SnoopiError } from "../error.ts";
import { add, div, mul, sqrt, square, sub } from "../ops/arithmetic.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { isTensor } from "../tensor.ts";
import { checkNumber } from "./check-number.ts";
import { type Optimizer, type OptimizerOptions, optimizer, optimizerNames } from "./optimizer.ts";
import type { Moving } from "./rule.ts";

export interface AdamOptions extends OptimizerOptions {
  /** Decay of the running averages of gradients and of their squares at each step. Default `[0.9, 0.999]`. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly eps?: number;
  /** AdamW: a step multiplies a parameter by `1 − lr · weightDecay`, default 0.01. Adam: an L2 penalty in the gradient, default 0. */
  readonly weightDecay?: number;
}

/** Adam with decoupled weight decay (Loshchilov & Hutter 2019), step by step as `torch.optim.AdamW`. */
export const adamw = (params: unknown, options: AdamOptions): Optimizer =>
  adamOf("adamw", params, options, { pull: 1e-2, decoupled: true });

/** Adam (Kingma & Ba 2015), with weight decay as an L2 penalty, step by step as `torch.optim.Adam`. */
export const adam = (params: unknown, options: AdamOptions): Optimizer => adamOf("adam", params, options, { pull: 0, decoupled: false });

const adamNames: NamesOf<AdamOptions> = { ...optimizerNames, betas: true, eps: true, weightDecay: true };

function adamOf(
  name: string,
  params: unknown,
  given: AdamOptions,
  { pull, decoupled }: { readonly pull: number; readonly decoupled: boolean },
): Optimizer {
  const { betas = [0.9, 0.999], eps = 1e-8, weightDecay = pull, ...options } = checkOptions(name, given, adamNames);
  const [beta1, beta2] = betas;
  for (const beta of betas) {
    if (!(beta >= 0 && beta < 1)) throw new SnoopiError(`${name}: betas are [${betas}]. Both must be at least 0 and less than 1.`);
  }
  checkNumber(name, { eps, weightDecay });
  const gradientOf = ({ parameter, gradient }: Moving) =>
    decoupled || weightDecay === 0 ? gradient() : add(gradient(), mul(parameter, weightDecay));
  return optimizer(
    {
      name,
      slots: ["exp_avg", "exp_avg_sq"],
      // The bias corrections 1 − βᵗ. On the device, a recurrence keeps digits that the power in f32 would lose.
      factors: (steps) => [1 - beta1 ** steps, 1 - beta2 ** steps],
      nextFactors: ([c1, c2]) => [add(mul(c1, beta1), 1 - beta1), add(mul(c2, beta2), 1 - beta2)],
      remember: (moving) => {
        const [average, squares] = moving.slots;
        return [
          add(average, mul(sub(gradientOf(moving), average), 1 - beta1)),
          add(mul(squares, beta2), mul(square(gradientOf(moving)), 1 - beta2)),
        ];
      },
      move: ({ parameter, slots: [average, squares] }, { factors: [c1, c2], lr }) => {
        const size = isTensor(lr) || isTensor(c1) ? div(lr, c1) : lr / c1;
        const spread = div(sqrt(squares), isTensor(c2) ? sqrt(c2) : Math.sqrt(c2));
        const kept = isTensor(lr) ? sub(1, mul(lr, weightDecay)) : 1 - lr * weightDecay;
        const shrunk = decoupled && weightDecay !== 0 ? mul(parameter, kept) : parameter;
        return sub(shrunk, div(mul(average, size), add(spread, eps)));
      },
    },
    params,
    options,
  );
}
