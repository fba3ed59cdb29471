import { SnoopiError, type Tensor } from "@snoopi/core";
import { type Attend, type Context, type CrossAttention, type KeysValues, plain } from "@snoopi/models";
import { clampNorm, nagCombine, vsfAttend } from "./combine.ts";
import { contextCache } from "./negative-cache.ts";
import { type Moment, type Strength, strengths } from "./strength.ts";

export interface NegativeGuidanceOptions {
  /** The encoded negative prompt. Its length may differ from the positive's; one serves a whole batch. */
  readonly negative: Context;
  /** Z₀'s text, the encoded empty prompt: what `neutral` measures the negative against. */
  readonly empty?: Context;
  /** The method's scale: α of NASA, neutral and VSF, φ of NAG. The number 0 in a layer is no guidance there, bit for bit. */
  readonly scale?: Strength;
  /** NAG's and the norm guard's bound on `‖Z‖₁ / ‖Z₊‖₁` of a token, above 0. */
  readonly tau?: number;
  /** NAG's blend, 0 … 1. */
  readonly blend?: number;
  /** VSF's β, finite: how far the negative's scores are lowered. */
  readonly beta?: number;
  /** Whether to keep the negative's keys and values of each layer. Default true; false where weights train. */
  readonly cache?: boolean;
}

/** An attend function for any moment. It may hold keys and values: dispose of it when the negative changes. */
export interface NegativeGuidance extends Disposable {
  (attend?: Attend, moment?: Moment): Attend;
}

interface Given {
  readonly q: Tensor;
  readonly layer: CrossAttention;
  readonly context: Context;
  /** What it wraps. */
  readonly attend: Attend;
  /** Z₊, by that. */
  readonly positive: () => Tensor;
  readonly away: KeysValues;
  readonly empty: (() => KeysValues) | undefined;
  readonly scale: number | Tensor;
  readonly tau: number;
  readonly blend: number;
  readonly beta: number;
}

export interface NegativeMethod {
  readonly name: string;
  readonly defaults: { readonly scale: number; readonly tau: number; readonly blend: number; readonly beta: number };
  readonly make: (given: Given) => Tensor;
}

const inert = { scale: 1, tau: 2.5, blend: 1, beta: 0 };

/** NASA's listing has 1, its figures 0.04 to 1: excluding well takes a larger scale than keeping quality. */
const nasaScale = 0.5;
const attended = ({ q, layer, away }: Given) => layer.attend(q, away);

/** Guidance away from a negative prompt inside cross-attention, one row per method. Defaults are the papers' where they name one. */
export const negativeMethods: readonly NegativeMethod[] = [
  { name: "nasa", defaults: { ...inert, scale: nasaScale }, make: (g) => g.positive().sub(attended(g).mul(g.scale)) },
  {
    name: "nasa-guarded",
    defaults: { ...inert, tau: 1 },
    make: (g) => {
      const z = g.positive();
      return clampNorm(z.sub(attended(g).mul(g.scale)), z, g.tau);
    },
  },
  {
    name: "nag",
    defaults: { ...inert, scale: 2, blend: 0.375 },
    make: (g) => nagCombine(g.positive(), attended(g), { phi: g.scale, tau: g.tau, a: g.blend }),
  },
  {
    name: "vsf",
    defaults: { ...inert, scale: 1.5, beta: 0.2 },
    make: (g) => {
      if (g.attend !== plain) {
        throw new SnoopiError(
          "vsf: it attends to both texts in one softmax, so the attend function that it is to wrap would not be called. Wrap none, or choose another method.",
        );
      }
      return vsfAttend(g.q, g.layer, { towards: g.layer.keysValues(g.context), away: g.away, alpha: g.scale, beta: g.beta });
    },
  },
  {
    name: "neutral",
    defaults: inert,
    make: (g) => {
      if (!g.empty) throw new SnoopiError("neutral: there is no `empty` context, expected the encoded empty prompt.");
      return g.positive().sub(attended(g).sub(g.layer.attend(g.q, g.empty())).mul(g.scale));
    },
  },
];

/**
 * Guidance by the method of that name, in every cross-attention layer before the output projection: `nasa` (SNOOPI Eq. 10), `nasa-guarded`
 * (NASA under NAG's norm clamp), `nag` (arXiv 2505.21179), `vsf` (arXiv 2508.10931) or `neutral`, `Z₊ − α(Z₋ − Z₀)`.
 * Gradients flow to the queries, and with `cache: false` to the projections' weights too.
 *
 * It wraps what cross-attention did before, such as another method, which then makes Z₊. VSF has no Z₊, so it wraps plain attention alone.
 *
 * @throws SnoopiError for an unknown method, a number out of its range, `neutral` without `empty`, and in a layer where `vsf` wraps another.
 */
export function negativeGuidance(
  name: string,
  { negative, empty, scale, cache = true, ...rest }: NegativeGuidanceOptions,
): NegativeGuidance {
  const method = negativeMethods.find((row) => row.name === name);
  if (!method) {
    throw new SnoopiError(
      `negativeGuidance: there is no method ${name}. Choose one of ${negativeMethods.map((row) => row.name).join(", ")}.`,
    );
  }
  if (name === "neutral" && !empty) throw new SnoopiError("neutral: there is no `empty` context, expected the encoded empty prompt.");
  const settings = { ...method.defaults, ...rest };
  checkSettings(name, settings);
  const strengthAt = strengths(name, scale ?? method.defaults.scale);
  const away = contextCache(negative, { cache });
  const nothing = empty && contextCache(empty, { cache });
  const wrap =
    (attend: Attend = plain, moment: Moment = {}): Attend =>
    (q, context, layer) => {
      const here = strengthAt(layer.path, moment, q.shape[0]);
      if (here === 0) return attend(q, context, layer);
      return method.make({
        q,
        layer,
        context,
        attend,
        positive: () => attend(q, context, layer),
        away: away(layer),
        empty: nothing && (() => nothing(layer)),
        ...settings,
        scale: here,
      });
    };
  return Object.assign(wrap, {
    [Symbol.dispose]() {
      for (const held of [strengthAt, away, nothing]) held?.[Symbol.dispose]();
    },
  });
}

function checkSettings(name: string, { tau, blend, beta }: { readonly tau: number; readonly blend: number; readonly beta: number }): void {
  const wanted = [
    ["tau", tau, tau > 0 && Number.isFinite(tau), "a finite number above 0"],
    ["blend", blend, blend >= 0 && blend <= 1, "a number from 0 to 1"],
    ["beta", beta, Number.isFinite(beta), "a finite number"],
  ] as const;
  for (const [key, value, fits, expected] of wanted) {
    if (!fits) throw new SnoopiError(`${name}: ${key} is ${value}, expected ${expected}.`);
  }
}
