import { SnoopiError } from "../error.ts";
import { add, minimum, mul, sub } from "../ops/arithmetic.ts";
import { equal, where } from "../ops/compare.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { isTensor } from "../tensor.ts";
import { checkNumber } from "./check-number.ts";
import { type Optimizer, type OptimizerOptions, optimizer, optimizerNames } from "./optimizer.ts";
import type { Moving } from "./rule.ts";

export interface SgdOptions extends OptimizerOptions {
  /** The part of the velocity that stays at each step. Default 0: no velocity is kept. */
  readonly momentum?: number;
  /** The part of a gradient that does not enter the velocity; the first gradient enters whole. Default 0. */
  readonly dampening?: number;
  /** Looks ahead by the velocity. Needs a momentum and no dampening. */
  readonly nesterov?: boolean;
  /** An L2 penalty, added to the gradient. Default 0. */
  readonly weightDecay?: number;
}

const sgdNames: NamesOf<SgdOptions> = { ...optimizerNames, momentum: true, dampening: true, nesterov: true, weightDecay: true };

/** Stochastic gradient descent, step by step as `torch.optim.SGD`. */
export function sgd(params: unknown, given: SgdOptions): Optimizer {
  const { momentum = 0, dampening = 0, nesterov = false, weightDecay = 0, ...options } = checkOptions("sgd", given, sgdNames);
  checkNumber("sgd", { momentum, weightDecay });
  if (!Number.isFinite(dampening)) throw new SnoopiError(`sgd: dampening is ${dampening}. Give a finite number.`);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new SnoopiError(`sgd: nesterov with momentum ${momentum} and dampening ${dampening}. It needs a momentum and no dampening.`);
  }
  const gradientOf = ({ parameter, gradient }: Moving) => (weightDecay === 0 ? gradient() : add(gradient(), mul(parameter, weightDecay)));
  return optimizer(
    {
      name: "sgd",
      slots: momentum === 0 ? [] : ["momentum_buffer"],
      // The step count, capped at 2: only the first gradient is not dampened.
      factors: (steps) => (dampening === 0 ? [] : [Math.min(steps, 2)]),
      nextFactors: (factors) => factors.map((steps) => minimum(add(steps, 1), 2)),
      remember(moving, [steps]) {
        return moving.slots.map((velocity) => {
          const share = isTensor(steps) ? where(equal(steps, 1), 1, 1 - dampening) : steps === 1 ? 1 : 1 - dampening;
          const entering = gradientOf(moving);
          return add(mul(velocity, momentum), share === 1 ? entering : mul(entering, share));
        });
      },
      move(moving, { lr }) {
        const [velocity] = moving.slots;
        const direction = !velocity ? gradientOf(moving) : nesterov ? add(gradientOf(moving), mul(velocity, momentum)) : velocity;
        return sub(moving.parameter, mul(direction, lr));
      },
    },
    params,
    options,
  );
}
