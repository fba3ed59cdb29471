import { createCpu, data, keep, mean, normal, square, type Tensor, valueAndGradients } from "@snoopi/core";
import { adapters } from "@snoopi/models";
import { afterAll, beforeAll, expect, test } from "vitest";
import { unetConfig } from "../../packages/models/src/checkpoint/config-unet.ts";
import { load, params } from "../../packages/models/src/params.ts";
import { unet } from "../../packages/models/src/unet.ts";
import { loadTiny } from "./tiny-component.ts";

const device = createCpu();
let tensors: ReadonlyMap<string, Tensor>;
let config: ReturnType<typeof unetConfig>;
beforeAll(async () => {
  ({ config, tensors } = await loadTiny(
    "third-tiny",
    { component: "unet", kind: "unet", parse: unetConfig, build: unet },
    { device, dtype: "f32" },
  ));
});
afterAll(() => {
  for (const t of tensors.values()) t.dispose();
});

/** Every gradient of a loss in `trained`, with or without checkpoints. */
async function gradientsOf(net: ReturnType<typeof unet>, trained: unknown, checkpoint: boolean) {
  const x = normal([1, config.inChannels, 8, 8], { key: 1, device });
  const tokens = normal([1, 5, config.crossAttentionDim], { key: 2, device });
  const [loss, gradients] = valueAndGradients(trained, () => mean(square(net(x, 500, { tokens }, { checkpoint }))));
  const found = new Map([["loss", await data(loss)]]);
  for (const [name, g] of gradients as Map<string, Tensor>) found.set(name, await data(g));
  return found;
}

test("a UNet with checkpoints has the same gradients in all its weights, bit for bit", async () => {
  const net = unet(params(load(tensors)), config);
  const plain = await gradientsOf(net, tensors, false);
  const thrifty = await gradientsOf(net, tensors, true);
  const different = [...plain].filter(([name, values]) => values.some((v, i) => v !== thrifty.get(name)![i])).map(([name]) => name);
  expect(different).toEqual([]);
  expect([...plain.values()].filter((values) => values.some((v) => v !== 0)).length).toBeGreaterThan(0.95 * plain.size);
});

test("gradients of adapters come through checkpoints without being told of them", async () => {
  const lora = adapters();
  const net = unet(lora.wrap(params(load(tensors))), config);
  lora.add("style", { rank: 2, match: [/attn\d\.to_[qv]$/], device, init: (_, shape) => keep(normal(shape, { key: 3, device })) });
  lora.use("style");
  const trained = lora.tensors("style");
  const plain = await gradientsOf(net, trained, false);
  const thrifty = await gradientsOf(net, trained, true);
  expect([...thrifty]).toEqual([...plain]);
  expect([...plain].filter(([name, values]) => name.includes("lora_B") && values.every((v) => v === 0))).toEqual([]);
  lora.remove("style");
});

test("checkpoints run again with the adapters that were in use, not with those in use by then", async () => {
  const lora = adapters();
  const net = unet(lora.wrap(params(load(tensors))), config);
  lora.add("style", { rank: 2, match: [/attn\d\.to_[qv]$/], device, init: (_, shape) => keep(normal(shape, { key: 3, device })) });
  const styled: typeof net = (...args) => lora.with("style", () => net(...args));
  const trained = lora.tensors("style");
  const plain = await gradientsOf(styled, trained, false);
  expect([...(await gradientsOf(styled, trained, true))]).toEqual([...plain]);
  expect([...plain].filter(([name, values]) => name.includes("lora_B") && values.every((v) => v === 0))).toEqual([]);
  expect(lora.active).toEqual([]);
  lora.remove("style");
});
