import type { Device } from "../device.ts";
import { SnoopiError } from "../error.ts";
import { abs, add, div, mul } from "../ops/arithmetic.ts";
import { cast } from "../ops/cast.ts";
import { equal, greaterEqual, lessEqual, logicalNot, where } from "../ops/compare.ts";
import { defaultDevice, full } from "../ops/full.ts";
import { sum } from "../ops/sum.ts";
import { checkOptions } from "../options.ts";
import { data } from "../realize.ts";
import { scope } from "../scope.ts";
import { noGrad } from "../tape.ts";
import { keep, share, type Tensor } from "../tensor.ts";
import { leaves, mapTree } from "../tree.ts";
import { named } from "./named.ts";
import type { Stateful } from "./state.ts";

export interface LossScalerOptions {
  /** The factor to begin with. Default 2¹⁶. */
  readonly scale?: number;
  /** What it is multiplied by after `interval` good steps. Default 2. */
  readonly growth?: number;
  /** What it is multiplied by after a step with a gradient that is not finite. Default ½. */
  readonly backoff?: number;
  /** Default 2000. */
  readonly interval?: number;
  readonly device?: Device;
}

/**
 * Keeps small f16 gradients from vanishing: the loss is multiplied by a factor before the backward pass, the gradients are divided by it
 * after, and a step that overflowed is left out. `torch.amp.GradScaler`, except that the device decides and nothing is read back.
 *
 *     const [loss, scaled] = valueAndGradients(params, () => scaler.scale(lossOf()));
 *     const { gradients, finite } = scaler.unscale(scaled);
 *     optimizer.step(gradients, { finite });  // made with { gated: true }
 *     scaler.update(finite);
 *     await realize([...optimizer.tensors(), ...scaler.tensors()]);
 */
export interface LossScaler extends Stateful, Disposable {
  /** The loss times the factor, in f32 or wider. */
  scale(loss: Tensor): Tensor;
  /** The gradients of the loss itself, in f32 or wider, and whether all of them are finite: a boolean scalar. */
  unscale<X>(gradients: X): { readonly gradients: X; readonly finite: Tensor };
  /** Makes the factor larger or smaller for the next step. */
  update(finite: Tensor): void;
  /** The factor, and the number of good steps since it changed: what to realize with a step. */
  tensors(): Tensor[];
}

const largest = { f16: 65504, f32: 3.4028234663852886e38, f64: Number.MAX_VALUE };

/** Whether every element of every tensor of a tree is finite: a boolean scalar on their device. */
export function allFinite(tree: unknown): Tensor {
  const tensors = leaves(tree);
  if (tensors.length === 0) throw new SnoopiError("allFinite: there are no tensors. Pass them in an array or a plain object.");
  return scope(() => {
    // All devices agree on comparisons, which NaN always fails; on an infinity times zero they need not agree.
    const wrong = tensors.map(notFinite).reduce((a, b) => add(a, b));
    return equal(wrong, 0);
  });
}

/** How many elements are not finite. */
const notFinite = (t: Tensor): Tensor => sum(logicalNot(lessEqual(abs(t), largest[t.dtype as keyof typeof largest])));

/**
 * Reads back whether gradients are finite, for training without a {@link lossScaler}.
 * @throws SnoopiError that names those that are not.
 */
export async function requireFinite(gradients: unknown): Promise<void> {
  const wrong = await scope(async (s) => {
    const all = [...named(gradients, "requireFinite")];
    const counts = s.run(() => noGrad(() => all.map(([, t]) => notFinite(t))));
    const bad = await Promise.all(counts.map(async (count) => (await data(count))[0]));
    return all.filter((_, i) => bad[i] !== 0).map(([name]) => name);
  });
  if (wrong.length === 0) return;
  const shown = wrong.slice(0, 5).join(", ") + (wrong.length > 5 ? ", …" : "");
  throw new SnoopiError(
    `gradients: ${wrong.length} are not finite: ${shown}. Lower the learning rate, clip the gradients, or scale the loss where f16 is stored.`,
  );
}

/** @throws SnoopiError unless scale > 0, growth ≥ 1, 0 < backoff ≤ 1 and interval ≥ 1. */
export function lossScaler(options: LossScalerOptions = {}): LossScaler {
  const {
    scale: initial = 65536,
    growth = 2,
    backoff = 0.5,
    interval = 2000,
    device = defaultDevice(),
  } = checkOptions("lossScaler", options, { scale: true, growth: true, backoff: true, interval: true, device: true });
  if (!(initial > 0 && growth >= 1 && backoff > 0 && backoff <= 1 && interval >= 1)) {
    throw new SnoopiError(
      `lossScaler: scale ${initial}, growth ${growth}, backoff ${backoff}, interval ${interval}. Give scale > 0, growth ≥ 1, 0 < backoff ≤ 1 and interval ≥ 1.`,
    );
  }
  const scale = keep(noGrad(() => full([], initial, { device })));
  const good = keep(noGrad(() => full([], 0, { device })));
  return {
    scale: (loss) => mul(loss, scale),
    unscale(gradients) {
      return noGrad(() =>
        scope(() => ({
          gradients: mapTree(gradients, (g) => div(cast(g, g.dtype === "f16" ? "f32" : g.dtype), scale)),
          finite: allFinite(gradients),
        })),
      );
    },
    update(finite) {
      noGrad(() =>
        scope(() => {
          const more = where(finite, add(good, 1), 0);
          const due = greaterEqual(more, interval);
          const grown = mul(scale, growth);
          const larger = where(lessEqual(grown, largest.f32), grown, scale);
          const next = where(finite, where(due, larger, scale), mul(scale, backoff));
          good.assign(where(due, 0, more));
          scale.assign(next);
        }),
      );
    },
    tensors: () => [scale, good],
    state: () => ({ numbers: {}, tensors: { scale: share(scale), good: share(good) } }),
    restore({ tensors }) {
      scale.assign(tensors.scale);
      good.assign(tensors.good);
    },
    [Symbol.dispose]() {
      scale.dispose();
      good.dispose();
    },
  };
}
