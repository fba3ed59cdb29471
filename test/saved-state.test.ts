import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createCpu,
  type Device,
  foldIn,
  type Key,
  keyFromSeed,
  mean,
  normal,
  realize,
  SnoopiError,
  scope,
  square,
  sub,
  type Tensor,
  tanh,
  tensor,
  valueAndGradients,
} from "@snoopi/core";
import { adamw, clipGradNorm, ema, loadState, lossScaler, type SavedState, saveState } from "@snoopi/core/optim";
import { openSafetensors } from "@snoopi/models";
import { fileSource, writeSafetensors } from "@snoopi/models/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "saved-state-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Something that trains: two layers, one of them in f16, with everything there is to save. */
function training(device: Device, { packed = false, seed = 1 } = {}) {
  const weights = {
    first: { weight: normal([3, 4], { key: seed, device }) },
    second: { weight: normal([4, 2], { key: seed + 1, device }).to("f16") },
  };
  const optimizer = adamw(weights, { lr: 0.05, packed, gated: true });
  const average = ema(weights, { decay: 0.9 });
  const scaler = lossScaler({ scale: 1024, interval: 3, device });
  const parts = { weights, optimizer, average, scaler };

  /** Steps from `from` to `to`, each with numbers of its own. */
  async function run(from: number, to: number, key: Key): Promise<void> {
    for (let step = from; step < to; step++) {
      await scope(async (s) => {
        s.run(() => {
          const x = normal([5, 3], { key: foldIn(key, step), device });
          const y = normal([5, 2], { key: foldIn(key, step), stream: 1, device });
          const loss = () => scaler.scale(mean(square(sub(tanh(x.matmul(weights.first.weight)).matmul(weights.second.weight), y))));
          const { gradients, finite } = scaler.unscale(valueAndGradients(weights, loss)[1]);
          optimizer.step(clipGradNorm(gradients, 1).gradients, { finite });
          scaler.update(finite);
          average.update();
        });
        await realize([...optimizer.tensors(), ...average.tensors(), ...scaler.tensors()]);
      });
    }
  }
  return { parts, run };
}

async function throughFile(state: SavedState, name: string): Promise<SavedState> {
  const path = join(folder, `${name}.safetensors`);
  await writeSafetensors(path, state.tensors, { metadata: state.metadata });
  const file = await openSafetensors(await fileSource(path), name);
  const tensors = new Map(await Promise.all([...file.entries.keys()].map(async (t) => [t, await file.read(t)] as const)));
  await file.close();
  return { tensors, metadata: Object.fromEntries(file.metadata) };
}

describe("a saved state", () => {
  test.each([
    { name: "apart", before: false, after: false },
    { name: "packed", before: true, after: true },
    { name: "packed and resumed apart", before: true, after: false },
  ])("resumes to the same bits as training that was not interrupted ($name)", async ({ name, before, after }) => {
    const device = createCpu();
    const key = keyFromSeed(7);
    const whole = training(device, { packed: after });
    await whole.run(0, 10, key);

    const half = training(device, { packed: before });
    await half.run(0, 5, key);
    const saved = await throughFile(await saveState(half.parts, { step: 5, key, model: "tiny" }), name);

    const resumed = training(device, { packed: after, seed: 50 });
    await resumed.run(0, 2, key);
    const progress = loadState(resumed.parts, saved, { model: "tiny" });
    expect(progress).toEqual({ step: 5, key, model: "tiny" });
    await resumed.run(progress.step, 10, progress.key!);

    const [a, b] = await Promise.all([whole, resumed].map(({ parts }) => saveState(parts, { step: 10 })));
    expect([...b.tensors.keys()]).toEqual([...a.tensors.keys()]);
    for (const [tensor, stored] of a.tensors) expect(b.tensors.get(tensor), tensor).toEqual(stored);
    expect(b.metadata).toEqual(a.metadata);
  });

  test("names every tensor by its part and parameter", async () => {
    const { parts } = training(createCpu());
    expect([...(await saveState(parts, { step: 0 })).tensors.keys()]).toEqual([
      "weights.first.weight",
      "weights.second.weight",
      "optimizer.exp_avg.first.weight",
      "optimizer.exp_avg_sq.first.weight",
      "optimizer.exp_avg.second.weight",
      "optimizer.exp_avg_sq.second.weight",
      "optimizer.master.second.weight",
      "optimizer.factor.0",
      "optimizer.factor.1",
      "average.first.weight",
      "average.second.weight",
      "scaler.scale",
      "scaler.good",
    ]);
  });

  test("of another model is refused, with all that does not fit, and nothing changes", async () => {
    const device = createCpu();
    const of = (w: Record<string, Tensor>) => ({ weights: w });
    const saved = await saveState(of({ a: tensor([1, 2]), b: tensor([3]), c: tensor([4]) }), { step: 3, model: "A" });
    const own = { a: tensor([0, 0], { device }), b: tensor([0, 0], { device }), d: tensor([0], { device }) };
    expect(() => loadState(of(own), saved, { model: "B" })).toThrow('loadState: the state is of model "A" and this is "B".');
    expect(() => loadState(of(own), saved, { model: "A" })).toThrow(
      "loadState: 1 missing: weights.d; 1 unexpected: weights.c; 1 of another shape or type: weights.b is f32 [1] in the state and f32 [2] here. The state is of another model or optimiser.",
    );
    expect(Array.from(await own.a.data())).toEqual([0, 0]);
    expect(() => loadState(of(own), { tensors: saved.tensors, metadata: {} })).toThrow("This is no saved training: load it as weights.");
  });

  test.each([
    ['{"version":1', 'the metadata "snoopi.training" is damaged: '],
    ["null", "the state has version undefined, and this library reads 1."],
    ['{"version":1,"step":"3","model":""}', 'of step, model and numbers it says {"step":"3","model":""}. Load another copy of the state.'],
  ])("with metadata that is damaged is refused: %s", (text, says) => {
    const load = () => loadState({ weights: { a: tensor([1]) } }, { tensors: new Map(), metadata: { "snoopi.training": text } });
    expect(load).toThrow(SnoopiError);
    expect(load).toThrow(says);
  });

  test("leaves nothing on the device", async () => {
    const device = createCpu();
    const { parts } = training(device);
    await realize([...parts.optimizer.tensors(), ...parts.average.tensors(), ...parts.scaler.tensors()]);
    const before = device.memory().tensors;
    loadState(parts, await saveState(parts, { step: 1 }));
    await realize([...parts.optimizer.tensors(), ...parts.average.tensors(), ...parts.scaler.tensors()]);
    // Averages no longer share the memory of their parameters, where they began.
    expect(device.memory().tensors - before).toBe(1);
  });
});
