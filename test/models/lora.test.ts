import {
  createCpu,
  createDryDevice,
  empty,
  foldIn,
  keyFromSeed,
  mean,
  normal,
  realize,
  type Shape,
  scope,
  sizeOf,
  square,
  type Tensor,
  tensor,
  valueAndGradients,
} from "@snoopi/core";
import {
  type Adapters,
  adapters,
  attentionLayer,
  conv2d,
  init,
  linear,
  load,
  manifest,
  type Params,
  params,
  sd15,
  unet,
  unetConfig,
} from "@snoopi/models";
import { beforeAll, describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { relativeError } from "./goldens.ts";

const values = async (t: Tensor) => Array.from(await t.data());

/** Attention over the pixels of a convolution with a stride. */
function network(p: Params) {
  const conv = conv2d(p.at("conv"), 3, 4, { stride: 2, padding: 1 });
  const attend = attentionLayer(p.at("attn"), { width: 4, heads: 2, headWidth: 2 });
  const out = linear(p.at("out"), 4, 2);
  return (x: Tensor) => out(attend(conv(x).reshape([x.shape[0], 4, -1]).permute([0, 2, 1])));
}

const shapes = manifest(network);
const weightsOn = (device = createCpu()) =>
  new Map([...shapes].map(([name, shape], i) => [name, normal(shape, { key: foldIn(keyFromSeed(5), i), device })]));

function build(weights: ReadonlyMap<string, Tensor>): { lora: Adapters; net: (x: Tensor) => Tensor } {
  const lora = adapters();
  return { lora, net: network(lora.wrap(params(load(weights)))) };
}

/** An adapter that does something: B is not zero. */
function addDrawn(
  lora: Adapters,
  name: string,
  { rank = 2, seed = 0, device = createCpu(), match = undefined as readonly RegExp[] | undefined } = {},
): void {
  lora.add(name, { rank, alpha: 3, device, ...(match && { match }), key: seed });
  let i = 0;
  for (const [path, t] of lora.tensors(name))
    if (path.endsWith("lora_B.weight")) t.assign(normal(t.shape, { key: 100 + seed + i++, device }));
}

describe.each(devices)("on $name, an adapter", ({ device }) => {
  const weights = weightsOn(device);
  const x = normal([2, 3, 6, 5], { key: 9, device });
  const base = network(params(load(weights)));
  beforeAll(() => realize([x, ...weights.values()]));

  test("changes nothing when it is new, and nothing when it is not used", async () => {
    const { lora, net } = build(weights);
    const plain = await values(base(x));
    expect(await values(net(x))).toEqual(plain);
    lora.add("new", { rank: 2, device });
    lora.use("new");
    expect(await values(net(x))).toEqual(plain);
    addDrawn(lora, "other", { device });
    expect(await values(net(x))).toEqual(plain);
  });

  test("gives what its merged weights give, in linear layers and in convolutions", async () => {
    const { lora, net } = build(weights);
    addDrawn(lora, "a", { device });
    const merged = network(params(load(new Map([...weights, ...lora.merged("a", weights)]))));
    // Two orders of summation in f32 over a few dozen terms.
    expect(
      await relativeError(
        lora.with("a", () => net(x)),
        merged(x),
      ),
    ).toBeLessThan(1e-5);
    expect(
      await relativeError(
        lora.with("a", () => net(x)),
        base(x),
      ),
    ).toBeGreaterThan(0.1);
  });

  test("adds to what another one around the same network adds", async () => {
    const [inner, outer] = [adapters(), adapters()];
    const net = network(outer.wrap(inner.wrap(params(load(weights)))));
    addDrawn(inner, "a", { device });
    addDrawn(outer, "b", { device, seed: 40 });
    inner.use("a");
    outer.use("b");
    const alone = build(weights);
    addDrawn(alone.lora, "a", { device });
    addDrawn(alone.lora, "b", { device, seed: 40 });
    alone.lora.use("a", "b");
    expect(await values(net(x))).toEqual(await values(alone.net(x)));
    outer.use();
    alone.lora.use("a");
    expect(await values(net(x))).toEqual(await values(alone.net(x)));
  });

  test("is switched by name on one network, several at once as well", async () => {
    const { lora, net } = build(weights);
    addDrawn(lora, "a", { device });
    addDrawn(lora, "b", { device, seed: 40, match: [/^attn\.to_[qv]$/] });
    const alone = async (name: string) => {
      const other = build(weights);
      other.lora.load("it", new Map(lora.tensors(name)), { alpha: 3 });
      other.lora.use("it");
      return values(other.net(x));
    };
    expect(await values(lora.with("a", () => net(x)))).toEqual(await alone("a"));
    expect(await values(lora.with("b", () => net(x)))).toEqual(await alone("b"));
    lora.use("b");
    expect(await values(lora.with([], () => net(x)))).toEqual(await values(base(x)));
    expect([lora.active, await values(net(x))]).toEqual([["b"], await alone("b")]);
    const both = new Map([...weights, ...lora.merged("a", weights)]);
    const merged = network(params(load(new Map([...both, ...lora.merged("b", both)]))));
    expect(
      await relativeError(
        lora.with(["a", "b"], () => net(x)),
        merged(x),
      ),
    ).toBeLessThan(1e-5);
  });

  test("is all that is trained: its gradients are those of the low-rank factors", async () => {
    const { lora, net } = build(weights);
    lora.add("a", { rank: 2, device });
    lora.use("a");
    const own = Object.fromEntries(lora.tensors("a"));
    const [, gradients] = valueAndGradients(own, () => mean(square(net(x))));
    for (const [name, g] of Object.entries(gradients)) {
      const size = Math.max(...(await values(g)).map(Math.abs));
      // B is zero, so A does not count yet.
      if (name.endsWith("lora_A.weight")) expect(size, name).toBe(0);
      else expect(size, name).toBeGreaterThan(0);
    }
  });
});

describe("adapters", () => {
  const weights = weightsOn();
  const device = createCpu();
  const shapesOf = (lora: Adapters, name: string) => Object.fromEntries([...lora.tensors(name)].map(([path, t]) => [path, t.shape]));

  test("have PEFT's names and shapes, at the layers that a pattern or a function chooses", () => {
    const { lora } = build(weights);
    expect([...lora.layers.keys()]).toEqual(["conv", "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "out"]);
    lora.add("some", { rank: 2, match: [/conv/, /to_out/], device });
    expect(shapesOf(lora, "some")).toEqual({
      "conv.lora_A.weight": [2, 3, 3, 3],
      "conv.lora_B.weight": [4, 2, 1, 1],
      "attn.to_out.0.lora_A.weight": [2, 4],
      "attn.to_out.0.lora_B.weight": [4, 2],
    });
    lora.add("one", {
      rank: 1,
      match: (path) => path === "out",
      device,
      init: (path: string, shape: Shape) => tensor([[1, 2, 3, path.length]], { shape, device }),
    });
    expect(shapesOf(lora, "one")).toEqual({ "out.lora_A.weight": [1, 4], "out.lora_B.weight": [2, 1] });
  });

  test("are drawn alike from one key, and otherwise from another", async () => {
    const { lora } = build(weights);
    for (const [name, key] of [
      ["a", 1],
      ["b", 1],
      ["c", 2],
    ] as const)
      lora.add(name, { rank: 2, device, key });
    const of = (name: string) => Promise.all([...lora.tensors(name).values()].map(values));
    expect(await of("b")).toEqual(await of("a"));
    expect(await of("c")).not.toEqual(await of("a"));
    const [first] = await of("a");
    for (const v of first) expect(Math.abs(v)).toBeLessThanOrEqual(1 / Math.sqrt(27));
  });

  test("leave the manifest of the network alone", () => {
    const lora = adapters();
    expect(manifest((p) => network(lora.wrap(p)))).toEqual(shapes);
  });

  test("on the attention of Stable Diffusion 1.5 have as many parameters as diffusers gives them", () => {
    const lora = adapters();
    const nowhere = createDryDevice();
    unet(lora.wrap(params((_, shape) => empty(shape, { device: nowhere }))), unetConfig(sd15.unet));
    lora.add("rank 4", { rank: 4, match: [/attn[12]\.to_(q|k|v|out\.0)$/], device: nowhere });
    expect([...lora.tensors("rank 4").values()].reduce((n, t) => n + sizeOf(t.shape), 0)).toBe(797_184);
  });

  test("are freed when they are removed, and no longer used", async () => {
    const { lora, net } = build(weights);
    const own = createCpu();
    await scope(async () => {
      lora.add("a", { rank: 2, device: own });
      for (const t of lora.tensors("a").values()) await t.data();
    });
    expect(own.memory().tensors).toBe(12);
    lora.use("a");
    lora.remove("a");
    expect([own.memory().tensors, lora.active]).toEqual([0, []]);
    expect(net(normal([1, 3, 4, 4], { key: 1, device: weights.get("conv.weight")!.device })).shape).toEqual([1, 4, 2]);
  });

  test("are not removed while something runs with them", () => {
    const { lora } = build(weights);
    for (const name of ["a", "b"]) lora.add(name, { rank: 2, device });
    const refusal = 'lora: the adapter "a" is removed inside of with(), which uses it. Remove it after.';
    expect(() => lora.with("a", () => lora.with("b", () => lora.remove("a")))).toThrow(refusal);
    lora.with("a", () => lora.remove("b"));
    expect(() => lora.tensors("b")).toThrow("among a.");
    lora.remove("a");
    expect(() => lora.tensors("a")).toThrow("among none");
  });

  test("that make no sense are refused", () => {
    const { lora } = build(weights);
    lora.add("a", { rank: 2, device });
    expect(() => lora.add("a", { rank: 2, device })).toThrow('lora: the adapter "a" is there already.');
    expect(() => lora.add("b", { rank: 0, device })).toThrow("lora: the rank is 0. Give a whole number above 0.");
    expect(() => lora.add("b", { rank: 2, match: [/nothing/], device })).toThrow(
      "lora: no layer of conv, attn.to_q, attn.to_k, attn.to_v, … (6) matches.",
    );
    expect(() => lora.use("c")).toThrow('lora: there is no adapter "c" among a. Add it first.');
    expect(() => lora.merged("a", new Map())).toThrow('lora: there is no "conv.weight" to merge into.');
    const t = (shape: Shape) => normal(shape, { key: 1, device });
    expect(() => lora.load("d", new Map([["unet.out.lora_A.weight", t([2, 4])]]))).toThrow(
      'lora: "unet.out.lora_A.weight" belongs to no layer',
    );
    expect(() => lora.load("d", new Map([["out.lora_A.weight", t([2, 4])]]))).toThrow('lora: "out" has only lora_A. Give both.');
    expect(() =>
      lora.load(
        "d",
        new Map([
          ["out.lora_A.weight", t([2, 4])],
          ["out.lora_B.weight", t([3, 2])],
        ]),
      ),
    ).toThrow('lora: "out" has [2, 4] and [3, 2], and the layer takes [2, 4] and [2, 2].');
    expect(() => lora.load("d", new Map())).toThrow("lora: there are no tensors to load.");
  });

  test("work on weights that are drawn as well as on those that are loaded", () => {
    const lora = adapters();
    network(lora.wrap(params(init((_, shape) => normal(shape, { key: 3, device })))));
    lora.add("a", { rank: 1, device });
    expect(lora.tensors("a").size).toBe(12);
  });
});
