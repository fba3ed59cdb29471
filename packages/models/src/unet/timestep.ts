import {
  cast,
  concat,
  cos,
  type Device,
  floor,
  fromData,
  isTensor,
  mul,
  OpError,
  reshape,
  show,
  silu,
  sin,
  sub,
  type Tensor,
} from "@snoopi/core";
import { linear } from "../layers.ts";
import type { Params } from "../params.ts";

/** Steps of the training schedule, fractions allowed: one for the whole batch, or one for each image as numbers or as a tensor `[B]`. */
export type Timestep = number | readonly number[] | Tensor;

/** Throws where there is neither one step nor one for each of `batch` images. */
export function checkSteps(network: string, t: Timestep, batch: number): void {
  const steps = typeof t === "number" ? 1 : "shape" in t ? (t.shape[0] ?? 1) : t.length;
  if (steps !== 1 && steps !== batch)
    throw new OpError(network, `there are ${steps} timesteps for ${batch} images`, "Give one, or one each.");
}

export interface SinusoidOptions {
  readonly width: number;
  /** Cosines first. Default true, as all published UNets have it. */
  readonly flipSinToCos?: boolean;
  /** Subtracted from the divisor of the exponents. Default 0. */
  readonly freqShift?: number;
  readonly device: Device;
}

/**
 * `t → [cos(t f) | sin(t f)]` in f32, `[B, width]` (`[1, width]` for a single number), with `f` from 1 down towards 1/10000; an odd
 * width ends in a zero. Angles are rounded to f32 where diffusers rounds them: at t = 999 one extra rounding moves a sine by 6e-5.
 */
export function sinusoid(t: Timestep, { width, flipSinToCos = true, freqShift = 0, device }: SinusoidOptions): Tensor {
  const frequencies = frequenciesOf(width, freqShift);
  if (isTensor(t)) return sinusoidOfTensor(t, frequencies, { width, flipSinToCos });
  const steps = typeof t === "number" ? [t] : t;
  const out = new Float32Array(steps.length * width);
  const half = frequencies.length;
  const [cosines, sines] = flipSinToCos ? [0, half] : [half, 0];
  steps.forEach((step, b) => {
    if (!Number.isFinite(step)) throw new OpError("timestep", `${step} is no step of a schedule`, "Give a finite number.");
    frequencies.forEach((frequency, i) => {
      const angle = Math.fround(Math.fround(step) * frequency);
      out[b * width + cosines + i] = Math.cos(angle);
      out[b * width + sines + i] = Math.sin(angle);
    });
  });
  return fromData(out, { shape: [steps.length, width], dtype: "f32", device });
}

/** `exp(−ln(10000) · i / (half − shift))` for the first half of the width, every step in f32. */
function frequenciesOf(width: number, shift: number): Float32Array {
  const half = Math.floor(width / 2);
  const slope = Math.fround(-Math.log(10000));
  return Float32Array.from({ length: half }, (_, i) => Math.exp(Math.fround(Math.fround(slope * i) / Math.fround(half - shift))));
}

/** 2π in three parts. The first two have few enough bits that whole multiples of them, up to 2¹¹ turns, are exact in f32. */
const turn = [6.28125, 0.0019354820251464844, -1.7484555314695172e-7] as const;

function sinusoidOfTensor(t: Tensor, frequencies: Float32Array, { width, flipSinToCos }: { width: number; flipSinToCos: boolean }): Tensor {
  if (t.rank > 1) throw new OpError("timestep", `the steps are ${show(t.shape)}, expected [B]`);
  const half = frequencies.length;
  const angle = mul(reshape(cast(t, "f32"), [-1, 1]), fromData(frequencies, { shape: [half], dtype: "f32", device: t.device }));
  // WGSL promises sine and cosine on [−π, π] only, so whole turns are subtracted first.
  const turns = floor(mul(angle, 1 / (2 * Math.PI)).add(0.5));
  const rest = turn.reduce((left, part) => sub(left, mul(turns, part)), angle);
  const parts = flipSinToCos ? [cos(rest), sin(rest)] : [sin(rest), cos(rest)];
  const zero = fromData(new Float32Array(angle.shape[0]), { shape: [angle.shape[0], 1], dtype: "f32", device: t.device });
  return concat(width % 2 === 1 ? [...parts, zero] : parts, { axis: 1 });
}

/** An MLP from a sinusoid `[B, width]` to the time embedding `[B, out]` that residual blocks take. */
export function timestepEmbedding(p: Params, width: number, out: number) {
  const up = linear(p.at("linear_1"), width, out);
  const mix = linear(p.at("linear_2"), out, out);
  return (sinusoid: Tensor): Tensor => mix(silu(up(sinusoid)));
}
