import { SnoopiError } from "../error.ts";
import { add, div, maximum, minimum, mul, pow, sub } from "../ops/arithmetic.ts";
import { cast } from "../ops/cast.ts";
import { greater, where } from "../ops/compare.ts";
import type { Like } from "../ops/elementwise.ts";
import { full } from "../ops/full.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { scope } from "../scope.ts";
import { noGrad } from "../tape.ts";
import { keep, share, type Tensor } from "../tensor.ts";
import { checkNumber } from "./check-number.ts";
import { parametersOf } from "./named.ts";
import type { Stateful } from "./state.ts";

export interface EmaOptions {
  /** Upper limit of the decay, the part of the average that stays at each update. Default 0.9999. */
  readonly decay?: number;
  /**
   * How the decay grows with the number n of earlier updates: `"rational"` is `(1 + n) / (10 + n)`, `"none"` begins with `decay`, and
   * `{ invGamma, power }` is `1 − (1 + n / invGamma)^−power`. Default `"rational"`, as in diffusers.
   */
  readonly ramp?: "rational" | "none" | { readonly invGamma: number; readonly power: number };
  /** Lower limit of the decay, from the second update on. Default 0. */
  readonly minDecay?: number;
  /** How many updates at the start set the average to the parameter itself. Default 0. */
  readonly after?: number;
  /** Whether the device counts the updates: needed for updates in a captured function and for those with `finite`. Default false. */
  readonly gated?: boolean;
}

const emaNames: NamesOf<EmaOptions> = { decay: true, ramp: true, minDecay: true, after: true, gated: true };

export interface EmaUpdateOptions {
  /** A boolean scalar. Where it is false the update changes nothing and does not count. Needs `gated`. */
  readonly finite?: Tensor;
}

/** Moving averages of parameters. As with an optimiser, an update is recorded: realize {@link Ema.tensors} with each step. */
export interface Ema extends Stateful, Disposable {
  /** Updates recorded, of which gated averages may have skipped some. */
  readonly updates: number;
  /** Moves every average towards its parameter. */
  update(options?: EmaUpdateOptions): void;
  /** Makes the averages the values of the parameters. */
  copyInto(): void;
  /** As {@link Ema.copyInto}, undone when the result is disposed of: for a look at the averaged model (`using _ = ema.swap()`). */
  swap(): Disposable;
  /** The averages, in the order of their parameters, then the count of updates if `gated`. */
  tensors(): Tensor[];
}

/** The decay of update `updates`, counted from 1: diffusers' `EMAModel.get_decay`. With a ramp, the first update copies the parameter. */
export function emaDecay(updates: number, { decay = 0.9999, ramp = "rational", minDecay = 0, after = 0 }: EmaOptions = {}): number {
  const n = Math.max(0, updates - after - 1);
  if (ramp === "none") return updates > after ? decay : 0;
  if (n === 0) return 0;
  const grown = ramp === "rational" ? (1 + n) / (10 + n) : 1 - (1 + n / ramp.invGamma) ** -ramp.power;
  return Math.max(Math.min(grown, decay), minDecay);
}

/** 1 − {@link emaDecay} of update `updates`, on the device. */
function emaShare(updates: Tensor, { decay = 0.9999, ramp = "rational", minDecay = 0, after = 0 }: EmaOptions): Tensor {
  if (ramp === "none") return where(greater(updates, after), 1 - decay, 1);
  const n = maximum(sub(updates, after + 1), 0);
  const left = ramp === "rational" ? div(9, add(n, 10)) : pow(add(mul(n, 1 / ramp.invGamma), 1), -ramp.power);
  return where(greater(n, 0), minimum(maximum(left, 1 - decay), 1 - minDecay), 1);
}

/**
 * Exponential moving averages of parameters, in f32 where those are f16: diffusers' `EMAModel`.
 * @throws SnoopiError for a decay outside [0, 1] and for parameters that an optimiser would refuse.
 */
export function ema(params: unknown, options: EmaOptions = {}): Ema {
  const { decay = 0.9999, minDecay = 0, after = 0, gated = false } = checkOptions("ema", options, emaNames);
  checkNumber("ema", { decay, minDecay, after });
  if (decay > 1 || minDecay > decay)
    throw new SnoopiError(`ema: decay is ${decay} and minDecay ${minDecay}. Give 0 ≤ minDecay ≤ decay ≤ 1.`);
  const parameters = parametersOf(params, "ema");
  const averages = new Map([...parameters].map(([name, p]) => [name, keep(noGrad(() => cast(p, p.dtype === "f16" ? "f32" : p.dtype)))]));
  const [{ device }] = parameters.values();
  const count = gated ? keep(full([], 0, { device })) : undefined;
  /** What the count is saved as: a name that no parameter has. */
  let counted = "updates";
  while (parameters.has(counted)) counted += "_";
  let updates = 0;
  /** The fraction by which averages approach the parameters in the coming update. */
  const shareOf = (finite: Tensor | undefined): Like => {
    updates++;
    if (!count) return 1 - emaDecay(updates, options);
    const next = add(count, 1);
    const share = emaShare(next, options);
    count.assign(finite ? where(finite, next, count) : next);
    return finite ? where(finite, share, 0) : share;
  };
  const copyInto = () =>
    noGrad(() =>
      scope(() => {
        for (const [name, p] of parameters) p.assign(cast(averages.get(name)!, p.dtype));
      }),
    );

  return {
    get updates() {
      return updates;
    },
    update(options = {}) {
      const { finite } = checkOptions("ema", options, { finite: true });
      if (finite && !gated) throw new SnoopiError("ema: an update with `finite`, but updates always count. Make it with { gated: true }.");
      noGrad(() =>
        scope(() => {
          const share = shareOf(finite);
          for (const [name, average] of averages) {
            const p = cast(parameters.get(name)!, average.dtype);
            average.assign(share === 1 ? p : add(average, mul(sub(p, average), share)));
          }
        }),
      );
    },
    copyInto,
    swap() {
      const before = new Map([...parameters.values()].map((p) => [p, keep(share(p))]));
      copyInto();
      return {
        [Symbol.dispose]() {
          for (const [p, value] of before) {
            p.assign(value);
            value.dispose();
          }
          before.clear();
        },
      };
    },
    tensors: () => [...averages.values(), ...(count ? [count] : [])],
    state: () => ({
      numbers: { updates },
      tensors: Object.fromEntries([...averages, ...(count ? [[counted, count] as const] : [])].map(([name, t]) => [name, share(t)])),
    }),
    restore({ numbers, tensors }) {
      for (const [name, average] of averages) {
        if (!tensors[name]) throw new SnoopiError(`ema: the state has no tensor "${name}". Restore the averages of the same parameters.`);
        average.assign(tensors[name]);
      }
      updates = numbers.updates;
      count?.assign(tensors[counted] ?? full([], updates, { device }));
    },
    [Symbol.dispose]() {
      count?.dispose();
      for (const average of averages.values()) average.dispose();
    },
  };
}
