import {
  attention,
  conv2d,
  type Device,
  estimate,
  groupNorm,
  leaves,
  linear,
  mean,
  normal,
  permute,
  realize,
  relu,
  reshape,
  scope,
  silu,
  square,
  sub,
  sum,
  type Tensor,
  type TensorSpec,
  valueAndGrad,
} from "@snoopi/core";
import { adamw } from "@snoopi/core/optim";
import { webgpuPlan } from "@snoopi/kernels";
import { webgpu } from "@snoopi/kernels/node";
import { describe, expect, test, vi } from "vitest";
import { gpu } from "./gpu.ts";

interface Layer {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

const layer = (out: number, inputs: number) => ({ weight: { shape: [out, inputs] }, bias: { shape: [out] } });
const mlp = [[layer(300, 70), layer(200, 300), layer(10, 200)], { shape: [64, 70] }, { shape: [64, 10] }] as const;

/** One step of AdamW, after which parameters and what the optimiser remembers are computed. */
function mlpStep(layers: readonly Layer[], x: Tensor, y: Tensor) {
  const forward = (own: readonly Layer[]) =>
    mean(
      square(
        sub(
          own.reduce((h, { weight, bias }, i) => (i ? linear(relu(h), weight, bias) : linear(h, weight, bias)), x),
          y,
        ),
      ),
    );
  const moving = adamw(layers, { lr: 1e-3 });
  const [loss, gradients] = valueAndGrad(forward)(layers);
  moving.step(gradients);
  return [loss, moving.tensors()];
}

const block = [
  { conv: { shape: [32, 16, 3, 3] }, scale: { shape: [32] }, shift: { shape: [32] }, query: { shape: [32, 32] }, key: { shape: [32, 32] } },
  { shape: [2, 16, 16, 16] },
] as const;

/** Convolution, norm and attention over pixels, and the gradients of all their weights. */
function blockGradients(w: Readonly<Record<"conv" | "scale" | "shift" | "query" | "key", Tensor>>, x: Tensor) {
  return valueAndGrad((own: typeof w) => {
    const h = silu(groupNorm(conv2d(x, own.conv, { padding: 1 }), 8, { weight: own.scale, bias: own.shift }));
    const tokens = permute(reshape(h, [2, 4, 8, 256]), [0, 1, 3, 2]);
    const flat = reshape(permute(reshape(h, [2, 32, 256]), [0, 2, 1]), [2, 256, 32]);
    const heads = (t: Tensor) => permute(reshape(t, [2, 256, 4, 8]), [0, 2, 1, 3]);
    return sum(square(attention(heads(linear(flat, own.query)), heads(linear(flat, own.key)), tokens)));
  })(w);
}

const mlpArgs = (device: Device) => {
  const of = ({ shape }: TensorSpec) => normal(shape, { key: 1, device });
  const [layers, x, y] = mlp;
  return [layers.map(({ weight, bias }) => ({ weight: of(weight), bias: of(bias) })), of(x), of(y)] as const;
};

const blockArgs = (device: Device) => {
  const of = ({ shape }: TensorSpec) => normal(shape, { key: 1, device });
  const [w, x] = block;
  return [{ conv: of(w.conv), scale: of(w.scale), shift: of(w.shift), query: of(w.query), key: of(w.key) }, of(x)] as const;
};

/** What really happens on a device that nobody else uses. Arguments are there before, as they are for an estimate. */
async function measured<A extends readonly unknown[]>(fn: (...args: A) => unknown, argsOn: (device: Device) => readonly [...A]) {
  const device = await webgpu();
  return scope(async (s) => {
    const args = argsOn(device);
    await realize(leaves(args));
    const dispatch = vi.spyOn(GPUComputePassEncoder.prototype, "dispatchWorkgroups");
    await realize(leaves(s.run(() => fn(...args))));
    const dispatches = dispatch.mock.calls.length;
    dispatch.mockRestore();
    const { bytes, peakBytes, peakDeviceBytes } = device.memory();
    device.destroy();
    return { bytes, peakBytes, peakDeviceBytes, dispatches };
  });
}

describe.skipIf(!gpu.device)("an estimate for a GPU is what happens there", () => {
  const plan = () => webgpuPlan(gpu.device!.facts);

  test("for a training step of an MLP with AdamW", async () => {
    const { flops, ...expected } = await estimate(mlpStep, [...mlp], plan());
    expect(await measured(mlpStep, mlpArgs)).toEqual(expected);
    // Three products of two operations: forward, and backward to weights and, but for the first, to inputs.
    const products = 2 * 64 * (2 * 70 * 300 + 3 * 300 * 200 + 3 * 200 * 10);
    expect(flops).toBeGreaterThan(products);
    expect(flops).toBeLessThan(products * 1.5);
  });

  test("for convolution, norm and attention, forward and backward", async () => {
    const { flops, ...expected } = await estimate(blockGradients, [...block], plan());
    expect(await measured(blockGradients, blockArgs)).toEqual(expected);
    expect(flops).toBeGreaterThan(0);
  });

  test("heads split from tokens, and what comes back, join again without a copy", async () => {
    const attend =
      (heads: (t: Tensor) => Tensor, join: (t: Tensor) => Tensor) => (w: Readonly<Record<"q" | "k" | "v", Tensor>>, x: Tensor) =>
        valueAndGrad((own: typeof w) =>
          sum(square(join(attention(heads(linear(x, own.q)), heads(linear(x, own.k)), heads(linear(x, own.v)))))),
        )(w);
    const split = attend(
      (t) => permute(reshape(t, [2, 256, 4, 8]), [0, 2, 1, 3]),
      (t) => reshape(permute(t, [0, 2, 1, 3]), [2, 256, 32]),
    );
    // The same sizes, read as if tokens lay by head from the start.
    const whole = attend(
      (t) => reshape(t, [2, 4, 256, 8]),
      (t) => reshape(t, [2, 256, 32]),
    );
    const shapes = [{ q: { shape: [32, 32] }, k: { shape: [32, 32] }, v: { shape: [32, 32] } }, { shape: [2, 256, 32] }] as const;
    const [a, b] = [await estimate(split, [...shapes], plan()), await estimate(whole, [...shapes], plan())];
    expect(a.dispatches).toBe(b.dispatches);
  });
});
