import { type Device, mul, tensor } from "@snoopi/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { vaeConfig } from "../../packages/models/src/checkpoint/config-vae.ts";
import { matchWeights } from "../../packages/models/src/checkpoint/match.ts";
import { countOf, load, manifest, params } from "../../packages/models/src/params.ts";
import { sampleLatents, scaleLatents, unscaleLatents } from "../../packages/models/src/vae/latents.ts";
import { toByte, toPixels } from "../../packages/models/src/vae/pixels.ts";
import { autoencoderKL, vaeDecoder, vaeEncoder, vaeFactor } from "../../packages/models/src/vae.ts";
import { devices } from "../devices.ts";
import { goldenJson, goldenTensors, relativeError, sorted } from "./goldens.ts";
import { loadTiny } from "./tiny-component.ts";

const checkpoints = ["sd15-tiny", "sd21-tiny", "third-tiny"];

// About 30 layers with sums of ≤ 150 terms round to 1e-6 in f32; the subtlest mistake, eps 1e-5 for 1e-6, is off by 6e-4.
const f32 = 1e-4;
// Weights rounded to f16 are off by up to 2⁻¹² each, and independently: some 1e-3 after all layers.
const f16 = 5e-3;

interface Case {
  readonly name: string;
  readonly kind: "decode" | "encode";
}

async function tinyVae(checkpoint: string, device: Device, dtype: "f32" | "f16" = "f32") {
  const network = { component: "vae", kind: "vae", parse: vaeConfig, build: autoencoderKL } as const;
  const { config, tensors } = await loadTiny(checkpoint, network, { device, dtype });
  return { config, tensors, weights: params(load(tensors)) };
}

describe("the full-size VAE", () => {
  const golden = goldenJson("manifest/sd-vae");
  const config = vaeConfig(golden.config);
  const wanted = new Map<string, number[]>(Object.entries(golden.tensors));
  const part = (pattern: RegExp) => sorted(new Map([...wanted].filter(([name]) => pattern.test(name))));

  test("has the parameters that diffusers has, name by name", () => {
    const asked = manifest((p) => autoencoderKL(p, config));
    expect(sorted(asked)).toEqual(sorted(wanted));
    expect(countOf(asked)).toBe(golden.parameters);
  });

  test("comes apart into encoder and decoder", () => {
    expect(sorted(manifest((p) => vaeEncoder(p, config)))).toEqual(part(/^(encoder|quant_conv)\./));
    expect(sorted(manifest((p) => vaeDecoder(p, config)))).toEqual(part(/^(decoder|post_quant_conv)\./));
  });

  test("leaves out what the config leaves out", () => {
    const without = { ...config, useQuantConv: false, usePostQuantConv: false, midBlockAddAttention: false };
    expect(sorted(manifest((p) => autoencoderKL(p, without)))).toEqual(part(/^(?!quant_conv|post_quant_conv|.*attentions)/));
  });

  test("makes one latent of 8 × 8 pixels", () => {
    expect(vaeFactor(config)).toBe(8);
  });
});

test("a file of both halves gives the decoder alone, and only foreign tensors are unexpected", async () => {
  const network = { component: "vae", kind: "vae", parse: vaeConfig, build: vaeDecoder } as const;
  const { tensors, entries, config } = await loadTiny("sd15-tiny", network, { device: devices[0].device, dtype: "f32" });
  expect([...tensors.keys()].every((name) => /^(decoder|post_quant_conv)\./.test(name))).toBe(true);
  const whole = manifest((p) => autoencoderKL(p, config));
  expect(whole.size).toBeGreaterThan(tensors.size);
  // Judged by the whole network's manifest: the half that was not asked for is no surprise, also under its old names.
  expect(matchWeights("vae", entries, whole).unexpected).toEqual([]);
});

describe.each(devices)("on $name", ({ device }) => {
  describe.each(checkpoints)("the VAE of %s", (checkpoint) => {
    const { cases, ...expected }: { cases: Case[]; factor: number; scalingFactor: number } = goldenJson(`vae/${checkpoint}`);
    const of = (kind: Case["kind"]) => cases.filter((one) => one.kind === kind);

    test("has the factor and scale of the golden", async () => {
      const { config } = await tinyVae(checkpoint, device);
      expect({ factor: vaeFactor(config), scalingFactor: config.scalingFactor }).toEqual(expected);
    });

    test.each(of("decode"))("equals diffusers' for $name", async (one) => {
      const golden = await goldenTensors(`vae/${checkpoint}`);
      const { config, weights } = await tinyVae(checkpoint, device);
      const image = vaeDecoder(weights, config)(golden(`${one.name}.z`, { device }));
      expect(await relativeError(image, golden(`${one.name}.output`, { device }))).toBeLessThan(f32);
    });

    test.each(of("encode"))("equals diffusers' for $name", async (one) => {
      const golden = await goldenTensors(`vae/${checkpoint}`);
      const { config, weights } = await tinyVae(checkpoint, device);
      const { mean, logvar } = vaeEncoder(weights, config)(golden(`${one.name}.x`, { device }));
      expect(await relativeError(mean, golden(`${one.name}.mean`, { device }))).toBeLessThan(f32);
      expect(await relativeError(logvar, golden(`${one.name}.logvar`, { device }))).toBeLessThan(f32);
    });
  });

  test.each(checkpoints)("the VAE of %s gives the same in f32 with weights kept in f16", async (checkpoint) => {
    const golden = await goldenTensors(`vae/${checkpoint}`);
    const { config, weights } = await tinyVae(checkpoint, device, "f16");
    const vae = autoencoderKL(weights, config);
    const image = vae.decode(golden("decode odd 5x3.z", { device }));
    const { mean } = vae.encode(golden("encode odd 5x3.x", { device }));
    expect([image.dtype, mean.dtype]).toEqual(["f32", "f32"]);
    expect(await relativeError(image, golden("decode odd 5x3.output", { device }))).toBeLessThan(f16);
    expect(await relativeError(mean, golden("encode odd 5x3.mean", { device }))).toBeLessThan(f16);
  });

  test("the log variance stays between −30 and 20", async () => {
    const { config, tensors } = await tinyVae("sd15-tiny", device);
    const loud = new Map([...tensors].map(([name, t]) => [name, name.startsWith("quant_conv") ? mul(t, 1e4) : t]));
    const x = (await goldenTensors("vae/sd15-tiny"))("encode odd 5x3.x", { device });
    const { mean, logvar } = vaeEncoder(params(load(loud)), config)(x);
    const values = [...(await logvar.data())];
    expect([Math.min(...values), Math.max(...values)]).toEqual([-30, 20]);
    expect(Math.max(...(await mean.data()))).toBeGreaterThan(100);
  });

  test("a sample is the mean plus noise times the deviation", async () => {
    const [mean, logvar, noise] = [
      [1, 2],
      [0, 2 * Math.log(3)],
      [-1, 0.5],
    ].map((row) => tensor(row, { shape: [1, 2, 1, 1], device }));
    const [a, b] = await sampleLatents({ mean, logvar }, noise).data();
    expect(a).toBe(0);
    expect(b).toBeCloseTo(3.5, 5);
  });

  test("a model's scale, shift, mean and spread are applied as diffusers does, and undone", async () => {
    const plain = { scalingFactor: 0.5, shiftFactor: null, latentsMean: null, latentsStd: null };
    const z = tensor([1, -2], { shape: [1, 2, 1, 1], device });
    const of = async (config: Parameters<typeof scaleLatents>[1]) => {
      const scaled = scaleLatents(z, config);
      return [[...(await scaled.data())], [...(await unscaleLatents(scaled, config).data())]];
    };
    expect(await of(plain)).toEqual([
      [0.5, -1],
      [1, -2],
    ]);
    expect(await of({ ...plain, shiftFactor: 3 })).toEqual([
      [-1, -2.5],
      [1, -2],
    ]);
    expect(await of({ ...plain, latentsMean: [3, 2], latentsStd: [2, 4] })).toEqual([
      [-0.5, -0.5],
      [1, -2],
    ]);
  });
});

test("an input of another rank or with other channels is refused by name", async () => {
  const { config, weights } = await tinyVae("sd15-tiny", devices[0].device);
  const vae = autoencoderKL(weights, config);
  expect(() => vae.decode(tensor(new Float32Array(12), { shape: [1, 3, 2, 2] }))).toThrow(
    "the input is [1, 3, 2, 2], expected [batch, 4, height, width]",
  );
  expect(() => vae.encode(tensor(new Float32Array(12), { shape: [3, 2, 2] }))).toThrow(
    "the input is [3, 2, 2], expected [batch, 3, height, width]",
  );
});

describe("pixels", () => {
  test("are interleaved, one picture per image of the batch", async () => {
    // Channels −1, 0 and 1 in the first image, and the reverse in the second: 0, 127.5 to its even neighbour 128, 255.
    const values = [-1, -1, 0, 0, 1, 1, 1, 1, 0, 0, -1, -1];
    const [first, second] = await toPixels(tensor(values, { shape: [2, 3, 1, 2] }));
    expect(first).toEqual({ width: 2, height: 1, data: Uint8Array.of(0, 128, 255, 0, 128, 255) });
    expect(second.data).toEqual(Uint8Array.of(255, 128, 0, 255, 128, 0));
  });

  test("half-way values go to the even byte", () => {
    // Not every n + ½ is hit exactly in f32; those that are count.
    let met = 0;
    for (let n = 0; n < 255; n++) {
      const y = Math.fround((2 * (n + 0.5)) / 255 - 1);
      const exact = Math.fround(Math.fround(Math.fround(y / 2) + 0.5) * 255);
      if (exact !== n + 0.5) continue;
      met++;
      expect(toByte(y)).toBe(n % 2 === 0 ? n : n + 1);
    }
    expect(met).toBeGreaterThan(100);
  });

  test("are the nearest byte, and 0 and 255 beyond the ends", () => {
    fc.assert(
      fc.property(fc.float({ min: -3, max: 3, noNaN: true }), (y) => {
        const exact = Math.min(Math.max((y + 1) / 2, 0), 1) * 255;
        // f32 rounds y/2 + ½ by at most 2⁻²⁵ and the product by 2⁻¹⁷.
        expect(Math.abs(toByte(y) - exact)).toBeLessThanOrEqual(0.5 + 255 * 2 ** -25 + 2 ** -17);
      }),
    );
    expect([toByte(Number.POSITIVE_INFINITY), toByte(Number.NEGATIVE_INFINITY)]).toEqual([255, 0]);
  });

  test("are refused when the decoder gave no numbers, or no picture", async () => {
    await expect(toPixels(tensor([Number.NaN, 0, 1], { shape: [1, 3, 1, 1] }))).rejects.toThrow(
      "toPixels: 1 of 3 values are not numbers. The model overflowed: load its weights as f32.",
    );
    await expect(toPixels(tensor([0, 1], { shape: [1, 2, 1, 1] }))).rejects.toThrow("expected [batch, 3, height, width], got [1, 2, 1, 1]");
  });
});
