import { cast, type Device, fromData, type Tensor, tensor } from "@snoopi/core";
import {
  countOf,
  idsTensor,
  init,
  type JsonObject,
  manifest,
  matchWeights,
  type Params,
  params,
  type Source,
  t5Config,
  t5Encoder,
  t5Xxl,
} from "@snoopi/models";
import { describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { type FormulaRule, formulaParameter } from "../oracles/formula.ts";
import { goldenJson, goldenTensors, relativeError, sorted } from "./goldens.ts";

interface Case {
  readonly name: string;
  readonly network: string;
}
const { rules, configs, cases } = goldenJson("text/t5") as { rules: FormulaRule[]; configs: Record<string, JsonObject>; cases: Case[] };
const masked = "gated, beyond every boundary";

// PyTorch in f32 is up to 8e-7 from itself in f64; ours sums up to 150 terms in another order, through 2 or 3 layers. The subtlest mistake, the
// other GELU, weighs 2.8e-4 or more.
const f32 = 1e-5;
// Weights rounded to f16 are off by up to 2⁻¹² each, and independently: some 2e-3 after all layers.
const f16 = 5e-3;

const formula =
  ({ device, dtype = "f32" }: { device: Device; dtype?: "f32" | "f16" }): Source =>
  (path, shape) =>
    cast(fromData(formulaParameter(path, shape, rules), { shape, dtype: "f32", device }), dtype);

const encoder = (network: string, on: Parameters<typeof formula>[0]) => t5Encoder(params(init(formula(on))), t5Config(configs[network]));

describe("the published T5-XXL", () => {
  const { tensors, parameters, config: published } = goldenJson("manifest/t5-xxl");
  const asked = manifest((p) => t5Encoder(p, t5Config(t5Xxl)));

  test("has the parameters that transformers has, name by name", () => {
    expect(t5Config(t5Xxl)).toEqual(t5Config(published));
    expect(sorted(asked)).toEqual(sorted(new Map(Object.entries(tensors))));
    expect(countOf(asked)).toBe(parameters);
    // What the index of Stable Diffusion 3's says it takes in f16.
    expect(2 * parameters).toBe(9_524_621_312);
  });

  test.each([[["shared"]], [["encoder.embed_tokens"]], [["encoder.embed_tokens", "shared"]]])(
    "is found in a file whose embedding is called %j",
    (embeddings) => {
      const entry = (shape: readonly number[]) => ({ dtype: "F16", shape, start: 0, end: 0 });
      const entries = new Map(Object.entries<number[]>(tensors).map(([name, shape]) => [name, entry(shape)]));
      entries.delete("shared.weight");
      for (const name of embeddings) entries.set(`${name}.weight`, entry([32128, 4096]));
      const { names, missing, misshapen, unexpected } = matchWeights("t5", entries, asked);
      expect([missing, misshapen, unexpected]).toEqual([[], [], []]);
      expect(names.get("shared.weight")).toBe(`${embeddings.at(-1)}.weight`);
    },
  );
});

describe.each(devices)("on $name", ({ device }) => {
  const goldens = async () => {
    const golden = await goldenTensors("text/t5");
    return (name: string) => golden(name, { device });
  };

  test.each(cases)("a T5 equals transformers': $name", async ({ name, network }) => {
    const golden = await goldens();
    const mask = ["no mask", "one token"].some((without) => name.endsWith(without)) ? undefined : golden(`${name}.mask`);
    const last = encoder(network, { device })(golden(`${name}.ids`), mask && { mask });
    expect(await relativeError(last, golden(`${name}.last_hidden_state`))).toBeLessThan(f32);
  });

  test.each(["bool", "u32", "f32"] as const)("a mask may be %s", async (dtype) => {
    const golden = await goldens();
    const last = encoder("gated", { device })(golden(`${masked}.ids`), { mask: cast(golden(`${masked}.mask`), dtype) });
    expect(await relativeError(last, golden(`${masked}.last_hidden_state`))).toBeLessThan(f32);
  });

  test("what is masked changes nothing of what is not", async () => {
    const encode = encoder("relu", { device });
    const mask = tensor([[1, 0, 1, 1, 0]], { device });
    const texts = [
      [3, 7, 4, 5, 0],
      [3, 8, 4, 5, 9],
    ].map((ids) => encode(tensor(Int32Array.from(ids), { shape: [1, 5], device }), { mask }));
    const [a, b] = await Promise.all(texts.map((last) => last.data()));
    const token = (of: typeof a, at: number) => [...of.subarray(12 * at, 12 * (at + 1))];
    for (const at of [0, 2, 3]) expect(token(a, at)).toEqual(token(b, at));
    for (const at of [1, 4]) expect(token(a, at)).not.toEqual(token(b, at));
  });

  test("weights kept in f16 give the same in f32", async () => {
    const golden = await goldens();
    const last = encoder("gated", { device, dtype: "f16" })(golden(`${masked}.ids`), { mask: golden(`${masked}.mask`) });
    expect(last.dtype).toBe("f32");
    expect(await relativeError(last, golden(`${masked}.last_hidden_state`))).toBeLessThan(f16);
  });

  test("weights kept in f16 do not make a stream overflow that f16 cannot hold", async () => {
    const ids = tensor(Int32Array.of(1, 2, 3, 4), { shape: [1, 4], device });
    const outputs: Tensor[] = [];
    const heavy = (dtype: "f32" | "f16"): Source => {
      const light = formula({ device });
      return (path, shape) => cast(light(path, shape).mul(path.endsWith(".wo.weight") ? 3e5 : 1), dtype);
    };
    const encode = (dtype: "f32" | "f16", seen: Tensor[] = []) =>
      t5Encoder(watched(params(heavy(dtype)), seen), t5Config(configs.gated))(ids);
    const [want, got] = [encode("f32"), encode("f16", outputs)];
    const largest = Math.max(...(await Promise.all(outputs.map((y) => y.data()))).flatMap((y) => [...y].map(Math.abs)));
    expect(largest).toBeGreaterThan(65504);
    expect(await relativeError(got, want)).toBeLessThan(f16);
  });
});

/** The same parameters, with a look at what every linear layer puts out. */
const watched = (p: Params, outputs: Tensor[]): Params => ({
  ...p,
  at: (name) => watched(p.at(name), outputs),
  wrap:
    ({ call }) =>
    (x) => {
      const y = call(x);
      outputs.push(y);
      return y;
    },
});

describe("what is wrong is said before anything runs:", () => {
  const zeros = (_: string, shape: readonly number[]): Tensor => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape });
  const encode = t5Encoder(params(init(zeros)), t5Config(configs.gated));
  const ids = (shape: number[]) => tensor(new Int32Array(shape.reduce((n, d) => n * d, 1)), { shape });

  test("ids that are no batch of texts", () => {
    expect(() => encode(ids([3]))).toThrow("t5Encoder: ids are [3], expected [batch, tokens]");
    expect(() => encode(ids([1, 2, 3]))).toThrow("t5Encoder: ids are [1, 2, 3], expected [batch, tokens]");
    expect(() => encode(ids([2, 0]))).toThrow("t5Encoder: ids are [2, 0]: a text has at least one token");
  });

  test("a mask of another shape", () => {
    for (const shape of [[2, 4], [1, 3], [3], [2, 1, 1, 3]]) {
      expect(() => encode(ids([2, 3]), { mask: ids(shape) })).toThrow(
        `t5Encoder: the mask is [${shape.join(", ")}] and the ids are [2, 3]: they must be alike`,
      );
    }
  });

  test("ids outside of the vocabulary, with their place; a text may have any length", () => {
    const config = t5Config(configs.gated);
    expect(() =>
      idsTensor(
        [
          [1, 2],
          [3, 40],
        ],
        config,
      ),
    ).toThrow("ids: token 1 of text 1 is 40 and the text encoder knows 0 to 39.");
    expect(idsTensor([new Array(300).fill(1)], config).shape).toEqual([1, 300]);
  });

  test("ids outside of the vocabulary, by the CPU at the latest", async () => {
    await expect(encode(tensor(Int32Array.of(40), { shape: [1, 1] })).data()).rejects.toThrow("id 40 is not a row of the table [40, 16]");
  });
});
