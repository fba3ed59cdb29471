import { cast, type Device, type DType, fromData, square, sum, type Tensor, tensor, valueAndGradients, zeros } from "@snoopi/core";
import { type Context, init, load, manifest, type PixArtOptions, params, pixart, pixartConfig, plain, type UNet } from "@snoopi/models";
import { nasa } from "@snoopi/snoopi";
import { describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { type FormulaRule, formulaParameter } from "../oracles/formula.ts";
import { goldenJson, goldenTensors, relativeError } from "./goldens.ts";

interface Case {
  readonly name: string;
  readonly network: string;
  readonly timestep: readonly number[];
  readonly size?: readonly [number, number];
  readonly scale?: number;
}
const { rules, configs, cases } = goldenJson("pixart") as {
  rules: FormulaRule[];
  configs: Record<string, Record<string, unknown>>;
  cases: Case[];
};
const unguided = cases.filter(({ scale }) => scale === undefined);
const [first] = cases;
const guided = cases.find(({ name }) => name === "NASA")!;

// The truth is diffusers' network in f64, from which PyTorch itself is up to 4.4e-7 away in f32; ours sums in another order, and the sine of
// a timestep of 999 may be 6e-5 off where a frequency's last bit is. Any one parameter left out weighs 2.8e-3 or more with these weights, the
// exact form of GELU 2.6e-5.
const f32 = 1e-5;

function build(name: string, { device, dtype = "f32" }: { device: Device; dtype?: DType }) {
  const config = pixartConfig(configs[name]);
  const weights = new Map(
    [...manifest((p) => pixart(p, config))].map(([path, shape]) => [
      path,
      cast(fromData(formulaParameter(path, shape, rules), { shape, dtype: "f32", device }), dtype),
    ]),
  );
  return { config, weights, net: pixart(params(load(weights)), config) };
}

async function inputs(device: Device, { name, size }: Case, dtype: DType = "f32") {
  const golden = await goldenTensors("pixart");
  const of = (tensor: string) => golden(`${name}.${tensor}`, { device });
  const mask = name === "as trained" ? undefined : of("mask");
  const context: Context = { tokens: cast(of("encoder_hidden_states"), dtype), ...(mask && { mask }) };
  const options: PixArtOptions = size ? { size } : {};
  return { of, x: cast(of("sample"), dtype), context, options };
}

describe.each(devices)("PixArt on $name", ({ device }) => {
  test.each(unguided)("computes what diffusers does: $name", async (one) => {
    const { net } = build(one.network, { device });
    const { of, x, context, options } = await inputs(device, one);
    expect(await relativeError(net(x, one.timestep, context, options), of("output"))).toBeLessThan(f32);
  });

  test.each(unguided)("has diffusers' gradients of half the output's square: $name", async (one) => {
    const { net, weights } = build(one.network, { device });
    const { of, x, context, options } = await inputs(device, one);
    const [, found] = valueAndGradients({ x, tokens: context.tokens, weights }, () =>
      sum(square(net(x, one.timestep, context, options))).mul(0.5),
    );
    // Twice as many layers.
    expect(await relativeError(found.x, of("gradient.sample"))).toBeLessThan(2 * f32);
    expect(await relativeError(found.tokens, of("gradient.encoder_hidden_states"))).toBeLessThan(2 * f32);
    if (one !== first) return;
    for (const name of [
      "pos_embed.proj.bias",
      "caption_projection.linear_1.bias",
      "adaln_single.emb.aspect_ratio_embedder.linear_1.bias",
      "adaln_single.linear.bias",
      "transformer_blocks.0.scale_shift_table",
      "transformer_blocks.0.attn1.to_q.bias",
      "scale_shift_table",
    ]) {
      expect(await relativeError(found.weights.get(name)!, of(`gradient.${name}`)), name).toBeLessThan(2 * f32);
    }
  });

  test("takes one number for all timesteps, or a tensor of them", async () => {
    const one = cases.find(({ name }) => name === "tall batch of two")!;
    const { net } = build(one.network, { device });
    const given = await inputs(device, one);
    expect(await relativeError(net(given.x, one.timestep[0], given.context), given.of("output"))).toBeLessThan(f32);
    const pair = build(first.network, { device });
    const { of, x, context, options } = await inputs(device, first);
    const steps = tensor([...first.timestep], { device });
    expect(await relativeError(pair.net(x, steps, context, options), of("output"))).toBeLessThan(f32);
  });

  test("hands every cross-attention layer to guidance, with its place and the context that its keys are made of", async () => {
    const { net } = build(first.network, { device });
    const { of, x, context, options } = await inputs(device, first);
    const seen: string[] = [];
    const attend: typeof plain = (q, text, layer) => {
      seen.push(`${layer.path} ${text.tokens.shape} ${text.mask?.shape}`);
      return plain(q, text, layer);
    };
    expect(await relativeError(net(x, first.timestep, context, { ...options, attend }), of("output"))).toBeLessThan(f32);
    expect(seen).toEqual([0, 1].map((i) => `transformer_blocks.${i}.attn2 2,7,24 2,1,1,7`));
  });

  test("takes a negative of another length, with a mask of its own, by NASA", async () => {
    const { net } = build(guided.network, { device });
    const { of, x, context, options } = await inputs(device, guided);
    const negative = net.project({ tokens: of("negative_hidden_states"), mask: of("negative_mask") });
    for (const cache of [true, false]) {
      using away = nasa({ negative, scale: guided.scale!, cache });
      // The second call finds what the first one kept.
      for (const _ of [1, 2]) {
        const output = net(x, guided.timestep, context, { ...options, attend: away() });
        expect(await relativeError(output, of("output"))).toBeLessThan(f32);
      }
    }
  });

  test("gives every image of a batch what it gives it alone, also where one text serves both", async () => {
    const { net } = build(first.network, { device });
    const { of, x, context, options } = await inputs(device, first);
    const shared = { tokens: context.tokens.slice([[0, 1]]), mask: of("mask").slice([[1, 2]]) };
    const batch = net(x, first.timestep, shared, options);
    for (const i of [0, 1]) {
      const alone = net(x.slice([[i, i + 1]]), first.timestep[i], shared, options);
      expect(await relativeError(batch.slice([[i, i + 1]]), alone)).toBeLessThan(f32);
    }
  });

  test("computes with weights in f16 what it computes with the same numbers in f32", async () => {
    const { net, config, weights } = build(first.network, { device, dtype: "f16" });
    const wide = pixart(params(load(new Map([...weights].map(([path, weight]) => [path, cast(weight, "f32")])))), config);
    const { x, context, options } = await inputs(device, first);
    const [half, full] = [net, wide].map((network) => network(x, first.timestep, context, options));
    expect(half.dtype).toBe("f32");
    expect(await relativeError(half, full)).toBeLessThan(f32);
    // Time and positions, in f32, do not widen it.
    expect(net(x.to("f16"), first.timestep, { ...context, tokens: context.tokens.to("f16") }, options).dtype).toBe("f16");
  });

  test("attends to a text in which no token counts as if all did", async () => {
    const { net } = build(first.network, { device });
    const { x, context, options } = await inputs(device, first);
    const { tokens } = context;
    const [none, all] = [0, 1].map((m) => net(x, first.timestep, { tokens, mask: zeros([1, 7], { device }).add(m) }, options));
    // Scores of −10000 and what is added to them are rounded to 2⁻¹⁰, half of which is off: so are the logarithms of weights.
    expect(await relativeError(none, all)).toBeLessThan(1e-3);
  });
});

// The file's f32 is 6e-8 off, and in f64 nothing else is but sinusoids of large angles: what a last eps of 1e-5 for 1e-6 weighs, 8e-7, shows.
test.each(unguided.filter(({ timestep: [t] }) => t < 10))(
  "in f64 PixArt is diffusers' to the last digits that were written: $name",
  async (one) => {
    const [{ device }] = devices;
    const { net } = build(one.network, { device, dtype: "f64" });
    const { of, x, context, options } = await inputs(device, one, "f64");
    expect(await relativeError(net(x, one.timestep, context, options), of("output"))).toBeLessThan(2e-7);
  },
);

test.each(unguided)("with checkpoints PixArt has the same gradients in all its weights, bit for bit: $name", async (one) => {
  const [{ device }] = devices;
  const { net, weights } = build(one.network, { device });
  const { x, context, options } = await inputs(device, one);
  const gradients = async (checkpoint: boolean) => {
    const [, found] = valueAndGradients({ x, tokens: context.tokens, weights }, () =>
      sum(square(net(x, one.timestep, context, { ...options, checkpoint }))),
    );
    const all = new Map<string, Tensor>([["x", found.x], ["tokens", found.tokens], ...found.weights]);
    return new Map(await Promise.all([...all].map(async ([name, g]) => [name, await g.data()] as const)));
  };
  const [kept, again] = [await gradients(false), await gradients(true)];
  expect([...kept].filter(([name, values]) => values.some((v, i) => v !== again.get(name)![i])).map(([name]) => name)).toEqual([]);
  expect([...kept].filter(([, values]) => values.every((v) => v === 0)).map(([name]) => name)).toEqual([]);
});

test("with checkpoints, a negative that guidance projects has the same gradients as well", async () => {
  const [{ device }] = devices;
  const { net, weights } = build(guided.network, { device });
  const { of, x, context, options } = await inputs(device, guided);
  const trained = new Map([...weights].filter(([name]) => name.startsWith("caption_projection.")));
  const gradients = (scale: number, checkpoint: boolean) => {
    const [, found] = valueAndGradients(trained, () => {
      const negative = net.project({ tokens: of("negative_hidden_states"), mask: of("negative_mask") });
      using away = nasa({ negative, scale, cache: false });
      return sum(square(net(x, guided.timestep, context, { ...options, attend: away(), checkpoint })));
    });
    return found as Map<string, Tensor>;
  };
  const [plainly, kept, again] = [gradients(0, false), gradients(guided.scale!, false), gradients(guided.scale!, true)];
  for (const [name, g] of kept) {
    // Layers add to it in another order.
    expect(await relativeError(again.get(name)!, g), name).toBeLessThan(1e-6);
    expect(await relativeError(plainly.get(name)!, g), name).toBeGreaterThan(0.01);
  }
});

describe("a call that cannot be", () => {
  const config = pixartConfig({ ...configs.alpha, num_layers: 1 });
  const net: UNet & ReturnType<typeof pixart> = pixart(params(init((_, shape) => zeros(shape))), config);
  const size = [64, 64] as const;
  const [x, tokens] = [() => zeros([2, 4, 4, 6]), () => zeros([1, 5, 20])];

  test("names an image of the wrong shape", () => {
    expect(() => net(zeros([2, 3, 4, 6]), 0, { tokens: tokens() }, { size })).toThrow("pixart: x is [2, 3, 4, 6], expected [B, 4, H, W].");
    expect(() => net(zeros([2, 4, 4, 5]), 0, { tokens: tokens() }, { size })).toThrow(
      "pixart: x is [2, 4, 4, 5], expected a height and a width that are multiples of 2, the patch's side.",
    );
  });

  test("names a context of another text encoder, or for other images", () => {
    expect(() => net(x(), 0, { tokens: zeros([1, 5, 24]) }, { size })).toThrow(
      "pixart: the context's tokens are [1, 5, 24], expected [1 or B, L, 20].",
    );
    expect(() => net.project({ tokens: zeros([5, 20]) })).toThrow("pixart: the context's tokens are [5, 20], expected [1 or B, L, 20].");
    expect(() => net(x(), 0, { tokens: zeros([3, 5, 20]) }, { size })).toThrow(
      "pixart: the context's tokens are [3, 5, 20], expected 1 or 2 along the first axis.",
    );
  });

  test("names a mask of another text, or for other images", () => {
    expect(() => net(x(), 0, { tokens: tokens(), mask: zeros([1, 6]) }, { size })).toThrow(
      "pixart: the context's mask is [1, 6], expected [1 or B, 5] to match tokens [1, 5, 20].",
    );
    expect(() => net.project({ tokens: tokens(), mask: zeros([1, 1, 5]) })).toThrow(
      "pixart: the context's mask is [1, 1, 5], expected [1 or B, 5] to match tokens [1, 5, 20].",
    );
    expect(() => net(x(), 0, { tokens: tokens(), mask: zeros([3, 5]) }, { size })).toThrow(
      "pixart: the context's mask is [3, 5], expected 1 or 2 along the first axis.",
    );
  });

  test("names timesteps that are too many, or none", () => {
    expect(() => net(x(), [1, 2, 3], { tokens: tokens() }, { size })).toThrow(
      "pixart: there are 3 timesteps for 2 images. Give one, or one each.",
    );
    expect(() => net(x(), Number.NaN, { tokens: tokens() }, { size })).toThrow(
      "timestep: NaN is no step of a schedule. Give a finite number.",
    );
  });

  test("asks for the size that the model is told", () => {
    expect(() => net(x(), 0, { tokens: tokens() })).toThrow(
      "pixart: there is no size, which this model is told. Give height and width of the picture in pixels.",
    );
    expect(() => net(x(), 0, { tokens: tokens() }, { size: [64, 0] })).toThrow(
      "pixart: the size is [64, 0], expected a height and a width above 0.",
    );
  });
});
