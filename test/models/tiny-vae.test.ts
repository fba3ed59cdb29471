import { type Device, fromData, square, sum, type Tensor, tensor, valueAndGrad } from "@snoopi/core";
import { autoencoderTiny, countOf, init, manifest, params, taesd, tinyVaeConfig, tinyVaeDecoder, tinyVaeEncoder } from "@snoopi/models";
import { describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { type FormulaRule, formulaParameter } from "../oracles/formula.ts";
import { goldenJson, goldenTensors, relativeError, sorted } from "./goldens.ts";

interface Case {
  readonly name: string;
  readonly network: string;
  readonly kind: "decode" | "encode";
}
const { rules, configs, cases } = goldenJson("vae/autoencoder-tiny") as {
  rules: FormulaRule[];
  configs: Record<string, Record<string, unknown>>;
  cases: Case[];
};
const of = (kind: Case["kind"]) => cases.filter((one) => one.kind === kind);

describe("the published sizes", () => {
  const { tensors, parameters, config: published } = goldenJson("manifest/taesd-vae");
  const config = tinyVaeConfig(taesd);
  const part = (half: string) => sorted(new Map(Object.entries<number[]>(tensors).filter(([name]) => name.startsWith(`${half}.`))));

  test("have the parameters that diffusers has, name by name", () => {
    const asked = manifest((p) => autoencoderTiny(p, config));
    expect(sorted(asked)).toEqual(sorted(new Map(Object.entries(tensors))));
    expect(countOf(asked)).toBe(parameters);
  });

  test("come apart into encoder and decoder", () => {
    expect(sorted(manifest((p) => tinyVaeEncoder(p, config)))).toEqual(part("encoder"));
    expect(sorted(manifest((p) => tinyVaeDecoder(p, config)))).toEqual(part("decoder"));
  });

  test("are those of the published config, and of one that says nothing", () => {
    expect(tinyVaeConfig(published)).toEqual(config);
    expect(tinyVaeConfig({})).toEqual(config);
  });
});

// The truth is diffusers' network in f64, from which PyTorch itself is up to 6.4e-7 away in f32, after some 40 layers with sums of up to 576
// terms; ours sums in another order. Any one parameter left out weighs 1.9e-3 or more with these weights, the clamp of the latents 5.6e-2.
const f32 = 1e-5;

describe.each(devices)("on $name", ({ device }) => {
  const build = (network: string) => {
    const formula = (path: string, shape: readonly number[]): Tensor =>
      fromData(formulaParameter(path, shape, rules), { shape, dtype: "f32", device });
    return autoencoderTiny(params(init(formula)), tinyVaeConfig(configs[network]));
  };
  const goldenOn = async (on: { device: Device }) => {
    const golden = await goldenTensors("vae/autoencoder-tiny");
    return (name: string) => golden(name, on);
  };

  test.each(of("encode"))("$name equals diffusers'", async ({ name, network }) => {
    const golden = await goldenOn({ device });
    expect(await relativeError(build(network).encode(golden(`${name}.x`)), golden(`${name}.latents`))).toBeLessThan(f32);
  });

  test.each(of("decode"))("$name equals diffusers', and so does the gradient of half the picture's square", async ({ name, network }) => {
    const golden = await goldenOn({ device });
    const { decode } = build(network);
    const z = golden(`${name}.z`);
    const output = golden(`${name}.output`);
    expect(await relativeError(decode(z), output)).toBeLessThan(f32);
    const [, gradient] = valueAndGrad((of: Tensor) => sum(square(decode(of))).mul(0.5))(z);
    // Twice as many layers.
    expect(await relativeError(gradient, golden(`${name}.gradient`))).toBeLessThan(2 * f32);
  });
});

test("an input of another rank or with other channels is refused by name", () => {
  const zeros = (_: string, shape: readonly number[]): Tensor => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape });
  const { encode, decode } = autoencoderTiny(params(init(zeros)), tinyVaeConfig(configs.other));
  expect(() => decode(tensor(new Float32Array(16), { shape: [1, 4, 2, 2] }))).toThrow(
    "tinyVaeDecoder: the input is [1, 4, 2, 2], expected [batch, 5, height, width]",
  );
  expect(() => encode(tensor(new Float32Array(8), { shape: [2, 2, 2] }))).toThrow(
    "tinyVaeEncoder: the input is [2, 2, 2], expected [batch, 2, height, width]",
  );
});
