import { cpu, keyFromSeed } from "@snoopi/core";
import { conv2d, groupNorm, linear, type Params } from "@snoopi/models";
import { expect, test } from "vitest";
import { clipDefaults, initialised, layerDefaults } from "./initialise.ts";

const network = (p: Params) => {
  linear(p.at("to"), 16, 64);
  conv2d(p.at("conv"), 16, 32);
  groupNorm(p.at("norm1"), 16, { groups: 4, eps: 1e-5 });
};
const drawn = async (build: (p: Params) => unknown, initialiser = layerDefaults, seed = 0) => {
  const tensors = initialised(build, { device: cpu, key: keyFromSeed(seed), initialiser });
  return Object.fromEntries(await Promise.all(Object.entries(tensors).map(async ([name, t]) => [name, [...(await t.data())]] as const)));
};
const spread = (values: readonly number[]) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);

test("layers are drawn as PyTorch draws them: uniform within ±1/√fan, biases too, and norms are 1 and 0", async () => {
  const all = await drawn(network);
  for (const [layer, fan] of [
    ["to", 16],
    ["conv", 16 * 9],
  ] as const) {
    const bound = 1 / Math.sqrt(fan);
    for (const part of ["weight", "bias"]) {
      const values = all[`${layer}.${part}`];
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
      // The mean square of n uniforms is within 5 deviations, √(4/45 / n)·3 relative, of bound²/3.
      expect(Math.abs((3 * spread(values) ** 2) / bound ** 2 - 1)).toBeLessThan(5 * 3 * Math.sqrt(4 / 45 / values.length));
    }
  }
  expect(new Set(all["norm1.weight"])).toEqual(new Set([1]));
  expect(new Set(all["norm1.bias"])).toEqual(new Set([0]));
});

test("another seed draws other numbers, the same seed the same, and no two parameters share theirs", async () => {
  const [a, b, c] = [await drawn(network), await drawn(network), await drawn(network, layerDefaults, 1)];
  expect(a).toEqual(b);
  expect(a["to.weight"]).not.toEqual(c["to.weight"]);
  expect(a["to.weight"].slice(0, 8)).not.toEqual(a["to.bias"].slice(0, 8));
});

test("CLIP's layers are drawn with the spreads of transformers, and without biases", async () => {
  const build = (p: Params) => {
    p.at("token_embedding").get("weight", [200, 64]);
    for (const name of ["q_proj", "out_proj", "fc1", "fc2"]) linear(p.at(`layers.0.${name}`), 64, 64);
    p.get("logit_scale", []);
  };
  const all = await drawn(build, clipDefaults({ width: 64, layers: 2 }));
  const expected = {
    token_embedding: 0.02,
    "layers.0.q_proj": 1 / 16,
    "layers.0.out_proj": 1 / 8,
    "layers.0.fc1": 128 ** -0.5,
    "layers.0.fc2": 1 / 16,
  };
  for (const [name, value] of Object.entries(expected)) {
    const values = all[`${name}.weight`];
    // Five deviations of the spread of n normals, 1/√(2n) relative each.
    expect(Math.abs(spread(values) / value - 1)).toBeLessThan(5 / Math.sqrt(2 * values.length));
  }
  expect(new Set(all["layers.0.q_proj.bias"])).toEqual(new Set([0]));
  expect(all.logit_scale[0]).toBeCloseTo(Math.log(1 / 0.07), 6);
});
