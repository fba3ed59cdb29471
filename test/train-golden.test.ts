import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  add,
  concat,
  createCpu,
  type Device,
  fromData,
  mean,
  permute,
  realize,
  reshape,
  resize,
  scope,
  silu,
  square,
  sub,
  type Tensor,
  valueAndGradients,
} from "@snoopi/core";
import { adamw, clipGradNorm, ema, lrAt, type Schedule } from "@snoopi/core/optim";
import { adapters, attentionLayer, conv2d, groupNorm, layerNorm, linear, load, type Params, params } from "@snoopi/models";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";
import { goldenFolder, goldenJson, relativeError } from "./models/goldens.ts";
import { safetensors } from "./oracles/safetensors.ts";

// Training runs of PyTorch and diffusers, see scripts/golden/training.py.

interface Case {
  readonly name: string;
  readonly lr: number;
  readonly weightDecay: number;
  readonly warmup: number;
  readonly decay: number;
  readonly maxNorm: number;
  readonly rank: number;
  readonly alpha: number;
  readonly layers: readonly string[];
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly rates: readonly number[];
}

const golden = goldenJson("training");
const { steps, batches, width, wide, channels, context, groups, heads } = golden;
const [whole, adapted]: readonly Case[] = golden.cases;
const file = safetensors(readFileSync(join(goldenFolder, "training.safetensors")));
const names = (part: string) => Object.keys(file).flatMap((name) => (name.startsWith(part) ? [name.slice(part.length)] : []));
// What is compared with lies elsewhere, so that its garbage is not in the bytes of the run.
const elsewhere = createCpu();
const stored = (name: string, device: Device = elsewhere) => fromData(file[name].data, { ...file[name], device });

/** The network of the golden, under its names. */
function smallUnet(p: Params) {
  const eps = 1e-5;
  const resnet = (at: Params, from: number, to: number) => {
    const [norm1, norm2] = [groupNorm(at.at("norm1"), from, { groups, eps }), groupNorm(at.at("norm2"), to, { groups, eps })];
    const [conv1, conv2] = [conv2d(at.at("conv1"), from, to, { padding: 1 }), conv2d(at.at("conv2"), to, to, { padding: 1 })];
    const project = linear(at.at("time_emb_proj"), width, to);
    const skip = from === to ? (x: Tensor) => x : conv2d(at.at("conv_shortcut"), from, to, { kernel: 1 });
    return (x: Tensor, time: Tensor) => {
      const h = conv1(silu(norm1(x))).add(reshape(project(silu(time)), [-1, to, 1, 1]));
      return add(skip(x), conv2(silu(norm2(h))));
    };
  };
  const transformer = (at: Params) => {
    const sizes = { width: wide, heads, headWidth: wide / heads };
    const norm = groupNorm(at.at("norm"), wide, { groups, eps });
    const [norm1, norm2] = [layerNorm(at.at("norm1"), wide, { eps }), layerNorm(at.at("norm2"), wide, { eps })];
    const toItself = attentionLayer(at.at("attn1"), sizes);
    const toContext = attentionLayer(at.at("attn2"), { ...sizes, contextWidth: context });
    return (x: Tensor, words: Tensor) => {
      let tokens = permute(reshape(norm(x), [x.shape[0], wide, -1]), [0, 2, 1]);
      tokens = tokens.add(toItself(norm1(tokens)));
      tokens = tokens.add(toContext(norm2(tokens), { tokens: words }));
      return x.add(reshape(permute(tokens, [0, 2, 1]), x.shape));
    };
  };
  const convIn = conv2d(p.at("conv_in"), channels, width, { padding: 1 });
  const down = resnet(p.at("down"), width, width);
  const smaller = conv2d(p.at("downsample"), width, wide, { stride: 2, padding: 1 });
  const mid = resnet(p.at("mid"), wide, wide);
  const look = transformer(p.at("transformer"));
  const up = resnet(p.at("up"), wide + width, width);
  const normOut = groupNorm(p.at("conv_norm_out"), width, { groups, eps });
  const convOut = conv2d(p.at("conv_out"), width, channels, { padding: 1 });
  return (x: Tensor, time: Tensor, words: Tensor) => {
    const skip = down(convIn(x), time);
    const h = look(mid(smaller(skip), time), words);
    return convOut(silu(normOut(up(concat([resize(h, [x.shape[2], x.shape[3]]), skip], { axis: 1 }), time))));
  };
}

/** The run that the golden holds: losses and norms of all steps, and what is left at the end. */
async function train(device: Device, run: Case, { packed }: { readonly packed: boolean }) {
  const at = (name: string) => stored(name, device);
  const base = new Map(names(`${whole.name}.start.`).map((n) => [n, at(`${whole.name}.start.${n}`)]));
  const lora = adapters();
  const net = smallUnet(lora.wrap(params(load(base))));
  let trained: Record<string, Tensor> = Object.fromEntries(base);
  if (run === adapted) {
    lora.add("golden", {
      match: (path) => run.layers.includes(path),
      rank: run.rank,
      alpha: run.alpha,
      init: (path) => at(`${run.name}.start.${path}`),
      device,
    });
    lora.use("golden");
    trained = Object.fromEntries(lora.tensors("golden"));
    expect(Object.keys(trained).sort()).toEqual(names(`${run.name}.start.`).sort());
  }
  const schedule: Schedule = { type: "warmup", steps: run.warmup, before: { type: "cosine", lr: run.lr, steps: steps - run.warmup } };
  const optimizer = adamw(trained, { lr: run.lr, weightDecay: run.weightDecay, packed });
  const average = ema(trained, { decay: run.decay });
  const data = Array.from({ length: batches }, (_, i) => {
    const part = (name: string) => at(`${whole.name}.batch.${i}.${name}`);
    return { x: part("x"), time: part("time"), words: part("context"), target: part("target") };
  });
  const log = { losses: [] as number[], norms: [] as number[], rates: [] as number[], bytes: [] as number[] };
  for (let step = 0; step < steps; step++) {
    const { x, time, words, target } = data[step % batches];
    const rate = lrAt(schedule, step);
    await scope(async () => {
      const [loss, raw] = valueAndGradients(trained, () => mean(square(sub(net(x, time, words), target))));
      const apart = packed ? undefined : clipGradNorm(raw, run.maxNorm);
      if (apart) optimizer.step(apart.gradients, { lr: rate });
      const norm = apart?.norm ?? optimizer.clippedStep(raw, { maxNorm: run.maxNorm, lr: rate });
      average.update();
      await realize([loss, norm, ...optimizer.tensors(), ...average.tensors()]);
      log.losses.push(await loss.item());
      log.norms.push(await norm.item());
    });
    log.rates.push(rate);
    log.bytes.push(device.memory().bytes);
  }
  const end = () => {
    optimizer[Symbol.dispose]();
    average[Symbol.dispose]();
    if (run === adapted) lora.remove("golden");
  };
  return { ...log, trained, averages: average.tensors(), end };
}

// What the run is promised to agree within. Both sides round every operation to 24 bits; 20 steps through Adam's division by small
// numbers make that 1e-6 to 1e-5.
const limit = 1e-4;

describe.each(devices)("on $name, a training run", ({ device }) => {
  test.each([
    { run: whole, packed: false },
    { run: adapted, packed: false },
    { run: adapted, packed: true },
  ])("of $run.name has PyTorch's losses, norms, weights and averages (packed: $packed)", async ({ run, packed }) => {
    await scope(async () => {
      const got = await train(device, run, { packed });
      const close = (a: number, b: number, what: string) => {
        expect(Math.abs(a - b), what).toBeLessThanOrEqual(limit * Math.abs(b || 1));
      };
      for (let i = 0; i < steps; i++) {
        expect(got.rates[i]).toBeCloseTo(run.rates[i], 12);
        close(got.losses[i], run.losses[i], `loss ${i}`);
        close(got.norms[i], run.norms[i], `norm ${i}`);
      }
      const found = Object.entries(got.trained);
      for (const [i, [name, t]] of found.entries()) {
        for (const [part, value] of [
          ["end", t],
          ["average", got.averages[i]],
        ] as const) {
          const error = await relativeError(value, stored(`${run.name}.${part}.${name}`));
          expect(error, `${part} ${name}`).toBeLessThan(limit);
        }
      }
      expect(got.bytes.at(-1)).toBeLessThanOrEqual(got.bytes[9]);
      got.end();
    });
  });
});
