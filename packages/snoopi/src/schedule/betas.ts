import type { CheckedConfig } from "./config.ts";

const fr = Math.fround;

/** The variance added at each training timestep, in f32, with the bits PyTorch computes. */
export function betasOf(config: CheckedConfig): Float32Array {
  const { betaStart, betaEnd, numTrainTimesteps: steps, trainedBetas, betaSchedule } = config;
  const betas = trainedBetas
    ? Float32Array.from(trainedBetas)
    : betaSchedule === "linear"
      ? linspaceF32(betaStart, betaEnd, steps)
      : betaSchedule === "scaled_linear"
        ? linspaceF32(Math.sqrt(betaStart), Math.sqrt(betaEnd), steps).map((root) => root * root)
        : cosineBetas(steps);
  return config.rescaleBetasZeroSnr ? zeroTerminalSnr(betas) : betas;
}

/** The running product of 1 − β, kept in f64 and rounded to f32 at each entry, as `torch.cumprod` does. */
export function cumulativeAlphas(betas: Float32Array): Float32Array {
  let product = 1;
  return betas.map((beta) => {
    product *= fr(1 - beta);
    return product;
  });
}

/** `torch.linspace` in f32: each half counts from its own end, with one rounding (a double holds each sum closely enough). */
function linspaceF32(start: number, end: number, steps: number): Float32Array {
  const [first, last] = [fr(start), fr(end)];
  const step = fr(fr(last - first) / (steps - 1));
  const half = Math.floor(steps / 2);
  return Float32Array.from({ length: steps }, (_, i) => {
    if (steps === 1) return first;
    return i < half ? step * i + first : last - step * (steps - 1 - i);
  });
}

/** The cosine schedule of Nichol & Dhariwal (2021): ᾱ(t) = cos²((t + 0.008)/1.008 · π/2), each β at most 0.999. */
function cosineBetas(steps: number): Float32Array {
  const alphaBar = (t: number) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  return Float32Array.from({ length: steps }, (_, i) => Math.min(1 - alphaBar((i + 1) / steps) / alphaBar(i / steps), 0.999));
}

/** Shifts and scales √ᾱ so that the last timestep is pure noise and the first stays (Lin et al. 2023, algorithm 1), in f32. */
function zeroTerminalSnr(betas: Float32Array): Float32Array {
  const roots = cumulativeAlphas(betas).map(Math.sqrt);
  const [first, last] = [roots[0], roots[roots.length - 1]];
  const scale = fr(first / fr(first - last));
  const alphaBars = roots.map((root) => fr(fr(root - last) * scale) ** 2);
  return alphaBars.map((alphaBar, i) => 1 - (i === 0 ? alphaBar : fr(alphaBar / alphaBars[i - 1])));
}
