import { cast, type Device, scope, tensor, zeros } from "@snoopi/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { plain } from "../../packages/models/src/attention.ts";
import { unetConfig } from "../../packages/models/src/checkpoint/config-unet.ts";
import { load, params } from "../../packages/models/src/params.ts";
import { type UNet, unet } from "../../packages/models/src/unet.ts";
import { devices } from "../devices.ts";
import { goldenJson, goldenTensors, relativeError } from "./goldens.ts";
import { loadTiny } from "./tiny-component.ts";

interface Case {
  readonly name: string;
  readonly timestep: readonly number[];
}

// f32 sums in another order through some hundred layers: 9e-6 at most on the CPU. The smallest mistakes that were planted, the tanh
// form of GELU and a layer norm's eps of 1e-6, show at 1.2e-4 to 1e-3; others from 1e-3.
const f32 = 1e-4;

async function tinyUNet(checkpoint: string, device: Device, dtype: "f32" | "f16" = "f32") {
  const network = { component: "unet", kind: "unet", parse: unetConfig, build: unet } as const;
  const { config, tensors, unexpected } = await loadTiny(checkpoint, network, { device, dtype });
  return { config, tensors, unexpected, net: unet(params(load(tensors)), config) };
}

for (const { name, device } of devices) {
  describe.each(["sd15-tiny", "sd21-tiny", "third-tiny"])(`the UNet of %s on ${name}`, (checkpoint) => {
    const cases: readonly Case[] = goldenJson(`unet/${checkpoint}`).cases;
    let tiny: Awaited<ReturnType<typeof tinyUNet>>;
    let golden: Awaited<ReturnType<typeof goldenTensors>>;
    beforeAll(async () => {
      [tiny, golden] = [await tinyUNet(checkpoint, device), await goldenTensors(`unet/${checkpoint}`)];
    });
    afterAll(() => {
      for (const weight of tiny.tensors.values()) weight.dispose();
    });

    const errorOf = (net: UNet, { name }: Case, ...[t, options]: [Parameters<UNet>[1], Parameters<UNet>[3]?]) =>
      scope(() => {
        const tokens = golden(`${name}.encoder_hidden_states`, { device });
        const out = net(golden(`${name}.sample`, { device }), t, { tokens }, options);
        return relativeError(out, golden(`${name}.output`, { device }));
      });

    test("finds nothing in the checkpoint that it does not have", () => {
      expect(tiny.unexpected).toEqual([]);
    });

    test.each(cases)("computes what diffusers does: $name", async (one) => {
      expect(await errorOf(tiny.net, one, one.timestep)).toBeLessThan(f32);
    });

    test("takes one number for all timesteps, or a tensor of them", async () => {
      const [single, pair] = [cases.find(({ timestep }) => timestep.length === 1)!, cases.find(({ timestep }) => timestep.length === 2)!];
      expect(await errorOf(tiny.net, single, single.timestep[0])).toBeLessThan(f32);
      expect(await errorOf(tiny.net, pair, tensor([...pair.timestep], { device }))).toBeLessThan(f32);
    });

    test("hands every cross-attention layer to guidance, with its place in the network", async () => {
      const paths: string[] = [];
      const attend: typeof plain = (q, context, layer) => {
        paths.push(layer.path);
        return plain(q, context, layer);
      };
      expect(await errorOf(tiny.net, cases[0], cases[0].timestep, { attend })).toBeLessThan(f32);
      const queries = [...tiny.tensors.keys()].filter((path) => path.endsWith(".attn2.to_q.weight"));
      expect(paths.toSorted()).toEqual(queries.map((path) => path.replace(".to_q.weight", "")).sort());
    });

    // Not against the goldens: weights rounded to 11 bits move the outputs of sd15-tiny by up to 6e-3, in PyTorch as well.
    test("computes with weights in f16 what it computes with the same numbers in f32", async () => {
      const { tensors, config, net } = await tinyUNet(checkpoint, device, "f16");
      const wide = unet(params(load(new Map([...tensors].map(([path, weight]) => [path, cast(weight, "f32")])))), config);
      const { name, timestep } = cases[0];
      const tokens = golden(`${name}.encoder_hidden_states`, { device });
      const [half, full] = [net, wide].map((network) => network(golden(`${name}.sample`, { device }), timestep, { tokens }));
      expect(await relativeError(half, full)).toBeLessThan(f32);
    });

    test("gives every image of a batch what it gives it alone", async () => {
      const one = cases.find(({ timestep }) => timestep.length === 2)!;
      const [x, tokens] = [golden(`${one.name}.sample`, { device }), golden(`${one.name}.encoder_hidden_states`, { device })];
      const shared = { tokens: tokens.slice([[0, 1]]) };
      const batch = tiny.net(x, one.timestep, shared);
      for (const i of [0, 1]) {
        const alone = tiny.net(x.slice([[i, i + 1]]), one.timestep[i], shared);
        expect(await relativeError(batch.slice([[i, i + 1]]), alone)).toBeLessThan(f32);
      }
    });
  });
}

describe("a call that cannot be", () => {
  const config = unetConfig({
    block_out_channels: [32],
    down_block_types: ["DownBlock2D"],
    up_block_types: ["UpBlock2D"],
    cross_attention_dim: 8,
  });
  const net = unet(
    params((_, shape) => zeros(shape)),
    config,
  );
  const x = zeros([2, 4, 3, 3]);
  const context = { tokens: zeros([2, 5, 8]) };

  test("names an image of the wrong shape", () => {
    expect(() => net(zeros([2, 3, 3, 3]), 0, context)).toThrow("unet: x is [2, 3, 3, 3], expected [B, 4, H, W].");
  });

  test("names a context of another text encoder, or for other images", () => {
    expect(() => net(x, 0, { tokens: zeros([1, 5, 9]) })).toThrow("unet: the context's tokens are [1, 5, 9], expected [1 or 2, L, 8].");
    expect(() => net(x, 0, { tokens: zeros([3, 5, 8]) })).toThrow("unet: the context's tokens are [3, 5, 8], expected [1 or 2, L, 8].");
  });

  test("names timesteps that are too many, or none", () => {
    expect(() => net(x, [1, 2, 3], context)).toThrow("unet: there are 3 timesteps for 2 images. Give one, or one each.");
    expect(() => net(x, Number.NaN, context)).toThrow("timestep: NaN is no step of a schedule. Give a finite number.");
  });
});
