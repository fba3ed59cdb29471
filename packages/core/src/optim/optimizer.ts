import type { DType } from "../dtype.ts";
import { SnoopiError } from "../error.ts";
import { mul } from "../ops/arithmetic.ts";
import { cast } from "../ops/cast.ts";
import { where } from "../ops/compare.ts";
import { concat } from "../ops/concat.ts";
import type { Like } from "../ops/elementwise.ts";
import { full, zeros } from "../ops/full.ts";
import { reshape } from "../ops/movement.ts";
import { slice } from "../ops/slice.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { scope } from "../scope.ts";
import { show, sizeOf } from "../shape.ts";
import { noGrad } from "../tape.ts";
import { isTensor, keep, share, type Tensor } from "../tensor.ts";
import { checkNumber } from "./check-number.ts";
import { clipFactor, globalNorm } from "./clip.ts";
import { gradientsFor, parametersOf } from "./named.ts";
import type { Rule } from "./rule.ts";
import type { PartState, Stateful } from "./state.ts";

export interface OptimizerOptions {
  readonly lr: number;
  /**
   * Packs all parameters of a type end to end into one tensor, of which they become views: a few kernels per step instead of a few per
   * parameter. Good for many small ones, such as adapters. Default false.
   */
  readonly packed?: boolean;
  /** Whether steps may be given `finite`, so that the device decides whether they count. Default false. */
  readonly gated?: boolean;
}

export const optimizerNames: NamesOf<OptimizerOptions> = { lr: true, packed: true, gated: true };

export interface StepOptions {
  /** Learning rate of this step. Default the optimiser's. */
  readonly lr?: Like;
  /** A factor for the gradients, such as a {@link clipFactor}: takes no kernel of its own. */
  readonly scale?: Like;
  /** A boolean scalar. Where it is false the step changes nothing and does not count. Needs `gated`. */
  readonly finite?: Tensor;
}

const stepNames: NamesOf<StepOptions> = { lr: true, scale: true, finite: true };

/**
 * Updates parameters by their gradients. A step is recorded like any computation and nothing is read back: realize
 * {@link Optimizer.tensors} after every step, together with whatever else is wanted of it, or the recording grows.
 *
 * Its state belongs to no scope and lives until the optimiser is disposed of. Do not pass what is not to be trained: there is no frozen
 * parameter. f16 parameters have an f32 master copy, which is updated and which they follow.
 */
export interface Optimizer extends Stateful, Disposable {
  /** Steps recorded, of which a gated optimiser may have skipped some. */
  readonly steps: number;
  /**
   * Replaces the value of every parameter (`Tensor.assign`): calls recorded before keep the old one. `gradients` is a tree like the
   * parameters'.
   * @throws SnoopiError unless there is one for each, of its shape and on its device.
   */
  step(gradients: unknown, options?: StepOptions): void;
  /**
   * A step with gradients scaled down together so that their norm is at most `maxNorm`; returns the norm they had, after `scale`. The same
   * as {@link clipGradNorm} and a step, in fewer kernels.
   */
  clippedStep(gradients: unknown, options: StepOptions & { readonly maxNorm: number }): Tensor;
  /** What a step changes: the parameters and the optimiser's state. */
  tensors(): Tensor[];
  /** Takes over the parameters' current values, after something else assigned them. */
  adopt(): void;
}

/** Parameters that are updated as one tensor: a single one, or several end to end. */
interface Pack {
  readonly members: readonly Tensor[];
  readonly names: readonly string[];
  /** The type of the computation. */
  readonly dtype: DType;
  /** The tensor that is updated, unless that is the parameter itself. */
  readonly master: Tensor | undefined;
  readonly slots: readonly Tensor[];
}

/** An optimiser by a rule. For rules of your own. */
export function optimizer(rule: Rule, params: unknown, options: OptimizerOptions): Optimizer {
  const { lr: usual, packed = false, gated = false } = checkOptions(rule.name, options, optimizerNames);
  checkNumber(rule.name, { lr: usual });
  const parameters = parametersOf(params, rule.name);
  const [{ device }] = parameters.values();
  const scalar = (value: number) => full([], value, { device });
  const packs = noGrad(() => scope(() => packsOf(parameters, rule, packed)));
  const factors = gated ? noGrad(() => rule.factors(0).map((value) => keep(scalar(value)))) : [];
  let steps = 0;

  /** The rule's factors for the coming step. */
  function advance(finite: Tensor | undefined): readonly Like[] {
    if (!gated) return rule.factors(steps + 1);
    const next = rule.nextFactors(factors);
    next.forEach((value, i) => {
      factors[i].assign(finite ? where(finite, value, factors[i]) : value);
    });
    return next;
  }

  function check(options: StepOptions): void {
    const { lr, finite } = checkOptions(rule.name, options, stepNames);
    if (finite && !gated)
      throw new SnoopiError(`${rule.name}: a step with \`finite\`, but steps always count. Make the optimiser with { gated: true }.`);
    if (finite && finite.dtype !== "bool") throw new SnoopiError(`${rule.name}: \`finite\` is ${finite.dtype}, not bool. Use allFinite.`);
    if (lr !== undefined && !isTensor(lr)) checkNumber(rule.name, { lr });
    for (const name of ["lr", "scale", "finite"] as const) {
      const value = options[name];
      if (isTensor(value) && value.rank > 0)
        throw new SnoopiError(`${rule.name}: ${name} is ${show(value.shape)}, not a scalar. Give one number.`);
    }
  }

  /** The gradients of each pack as one tensor. */
  function joinedGradients(tree: unknown): Tensor[] {
    const own = gradientsFor(parameters, tree, rule.name);
    const gradientOf = new Map([...parameters.values()].map((p, i) => [p, own[i]]));
    return packs.map(({ members }) => joined(members.map((p) => gradientOf.get(p)!)));
  }

  function record(gradients: readonly Tensor[], { lr = usual, scale, finite }: StepOptions): void {
    const numbers = advance(finite);
    for (const [i, pack] of packs.entries()) {
      const given = gradients[i];
      const gradient = () => {
        const wide = cast(given, pack.dtype);
        return scale === undefined ? wide : mul(wide, scale);
      };
      const parameter = pack.master ?? pack.members[0];
      const chosen = (after: Tensor, before: Tensor) => cast(finite ? where(finite, after, before) : after, pack.dtype);
      const slots = rule.remember({ parameter, gradient, slots: pack.slots }, numbers).map((after, i) => chosen(after, pack.slots[i]));
      const moved = chosen(rule.move({ parameter, gradient, slots }, { factors: numbers, lr }), parameter);
      slots.forEach((after, i) => {
        pack.slots[i].assign(after);
      });
      settle(pack, moved);
    }
  }

  return {
    get steps() {
      return steps;
    },
    step(gradients, options = {}) {
      check(options);
      noGrad(() => scope(() => record(joinedGradients(gradients), options)));
      steps++;
    },
    clippedStep(gradients, { maxNorm, ...options }) {
      check(options);
      const norm = noGrad(() =>
        scope(() => {
          const own = joinedGradients(gradients);
          const { scale } = options;
          const norm = scale === undefined ? globalNorm(own) : mul(globalNorm(own), scale);
          const factor = clipFactor(norm, maxNorm);
          record(own, { ...options, scale: scale === undefined ? factor : mul(factor, scale) });
          return norm;
        }),
      );
      steps++;
      return norm;
    },
    tensors: () => [...parameters.values(), ...packs.flatMap(({ master, slots }) => [...(master ? [master] : []), ...slots]), ...factors],
    adopt() {
      noGrad(() => scope(() => packs.forEach(adoptInto)));
    },
    state() {
      const tensors: Record<string, Tensor> = {};
      for (const pack of packs) {
        const wide = pack.members.some((p) => p.dtype !== pack.dtype);
        for (const [slot, whole] of [
          ...pack.slots.map((s, i) => [rule.slots[i], s] as const),
          ...(wide ? [["master", pack.master!] as const] : []),
        ]) {
          apart(pack, whole).forEach((part, i) => {
            tensors[`${slot}.${pack.names[i]}`] = part;
          });
        }
      }
      factors.forEach((factor, i) => {
        tensors[`factor.${i}`] = share(factor);
      });
      return { numbers: { steps }, tensors };
    },
    restore(state: PartState) {
      const part = (name: string) => {
        const found = state.tensors[name];
        if (!found)
          throw new SnoopiError(`${rule.name}: the state has no tensor "${name}". Restore the state of an optimiser like this one.`);
        return found;
      };
      noGrad(() =>
        scope(() => {
          for (const pack of packs) {
            const all = (slot: string) => joined(pack.names.map((name) => part(`${slot}.${name}`)));
            pack.slots.forEach((whole, i) => {
              whole.assign(all(rule.slots[i]));
            });
            if (pack.members.some((p) => p.dtype !== pack.dtype)) settle(pack, all("master"));
            else adoptInto(pack);
          }
          factors.forEach((factor, i) => {
            factor.assign(part(`factor.${i}`));
          });
        }),
      );
      steps = state.numbers.steps;
    },
    [Symbol.dispose]() {
      for (const { master, slots } of packs) for (const t of [...(master ? [master] : []), ...slots]) t.dispose();
      for (const factor of factors) factor.dispose();
    },
  };
}

const masterType = (dtype: DType): DType => (dtype === "f16" ? "f32" : dtype);

function packsOf(parameters: ReadonlyMap<string, Tensor>, rule: Rule, packed: boolean): Pack[] {
  const groups = new Map<unknown, [string, Tensor][]>();
  for (const [name, p] of parameters) {
    const key = packed ? p.dtype : p;
    groups.set(key, [...(groups.get(key) ?? []), [name, p]]);
  }
  return [...groups.values()].map((group) => {
    const members = group.map(([, p]) => p);
    const dtype = masterType(members[0].dtype);
    const shape = members.length === 1 ? members[0].shape : [members.reduce((n, p) => n + roomFor(p), 0)];
    const { device } = members[0];
    const own = members.length > 1 || dtype !== members[0].dtype;
    const pack: Pack = {
      members,
      names: group.map(([name]) => name),
      dtype,
      master: own ? keep(zeros(shape, { dtype, device })) : undefined,
      slots: rule.slots.map(() => keep(zeros(shape, { dtype, device }))),
    };
    adoptInto(pack);
    return pack;
  });
}

/**
 * Elements that a parameter takes in a pack: each starts where a GPU can bind it (at 256 bytes, and elements have two at least), or every
 * kernel that reads a parameter would copy it first.
 */
const roomFor = ({ shape }: Tensor): number => Math.ceil(sizeOf(shape) / 128) * 128;

/** Tensors end to end, with zeros in the gaps; a single one as it is. */
function joined(parts: readonly Tensor[]): Tensor {
  if (parts.length === 1) return share(parts[0]);
  const [{ dtype, device }] = parts;
  const left = (t: Tensor) => roomFor(t) - sizeOf(t.shape);
  // One tensor of zeros for each length.
  const gaps = new Map([...new Set(parts.map(left))].filter((n) => n > 0).map((n) => [n, zeros([n], { dtype, device })]));
  return concat(parts.flatMap((t) => [reshape(t, [-1]), ...(gaps.has(left(t)) ? [gaps.get(left(t))!] : [])]));
}

/** Splits a tensor over all members into one view for each. */
function apart({ members }: Pack, whole: Tensor): Tensor[] {
  if (members.length === 1) return [share(whole)];
  let at = 0;
  return members.map((p) => {
    const start = at;
    at += roomFor(p);
    return reshape(slice(whole, [[start, start + sizeOf(p.shape)]]), p.shape);
  });
}

/** Assigns `moved` to the master, if there is one, and to the parameters. */
function settle(pack: Pack, moved: Tensor): void {
  pack.master?.assign(moved);
  apart(pack, moved).forEach((part, i) => {
    const p = pack.members[i];
    p.assign(cast(part, p.dtype));
  });
}

function adoptInto(pack: Pack): void {
  if (!pack.master) return;
  const whole = cast(joined(pack.members), pack.dtype);
  pack.master.assign(whole);
  // The parameters become views of the master's new value, instead of its old one.
  if (pack.members.length > 1) settle(pack, whole);
}
