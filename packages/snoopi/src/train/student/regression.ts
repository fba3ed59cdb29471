import { add, type Device, fromData, type Key, mean, sqrt, square, sub, type Tensor } from "@snoopi/core";
import { firstTimestep } from "../../distill/distillation.ts";
import { x0Predictor } from "../../distill/score.ts";
import { integers, stepKey } from "../examples.ts";
import type { Numbers, Stage } from "../stage.ts";
import type { Assembled } from "./assemble.ts";
import type { PromptBank } from "./prompt-bank.ts";

/** Noise, the teacher's picture from it, and the index of the prompt: `[n, C, h, w]` twice and `[n]`, on the host. */
export interface Pairs {
  readonly noise: Numbers;
  readonly x0: Numbers;
  readonly said: Int32Array;
}

/** `mean(√(d² + δ²) − δ)`: a square near 0 and a line far from it, which blurs less than the square (DMD's regression uses LPIPS). */
export const pseudoHuber = (predicted: Tensor, wanted: Tensor, delta: number): Tensor =>
  sub(mean(sqrt(add(square(sub(predicted, wanted)), delta ** 2))), delta);

/** Some pairs as numbers. */
function pairsAt({ noise, x0, said }: Pairs, chosen: Int32Array): { noise: Numbers; x0: Numbers; said: Int32Array } {
  const [, ...shape] = noise.shape;
  const size = shape.reduce((a, b) => a * b, 1);
  const rows = ({ data }: Numbers): Numbers => {
    const found = new Float32Array(chosen.length * size);
    chosen.forEach((row, i) => {
      found.set(data.subarray(row * size, (row + 1) * size) as Float32Array, i * size);
    });
    return { shape: [chosen.length, ...shape], data: found };
  };
  return { noise: rows(noise), x0: rows(x0), said: Int32Array.from(chosen, (row) => said[row]) };
}

/** Pairs of a step on a device. */
export function drawPairs(pairs: Pairs, { key, count, device }: { readonly key: Key; readonly count: number; readonly device: Device }) {
  const { noise, x0, said } = pairsAt(pairs, integers(count, pairs.said.length, key));
  const up = ({ shape, data }: Numbers) => fromData(data, { shape, dtype: "f32", device });
  return { noise: up(noise), x0: up(x0), said };
}

export interface RegressionStageOptions {
  readonly name: string;
  readonly device: Device;
  readonly assembled: Assembled;
  readonly bank: PromptBank;
  readonly pairs: Pairs;
  readonly batch: number;
  readonly delta: number;
  readonly key: Key;
}

/** Trains the student alone on pairs, before it is distilled, which keeps it from collapsing into a few of the teacher's modes. */
export function regressionStage({ name, device, assembled, bank, pairs, batch, delta, key }: RegressionStageOptions): Stage {
  const { distillation } = assembled;
  const { student, process } = distillation;
  const predict = x0Predictor(student.network, { process, prediction: student.prediction });
  return {
    name,
    device,
    parameters: assembled.student.parameters,
    batch(step) {
      const { noise, x0, said } = pairsAt(pairs, integers(batch, pairs.said.length, stepKey(key, 1, step)));
      return { noise, x0, said: bank.inputs(said) };
    },
    loss({ noise, x0, said }) {
      const at = new Array<number>(batch).fill(firstTimestep(distillation));
      return { loss: pseudoHuber(predict(noise, at, bank.context(said)), x0, delta) };
    },
  };
}
