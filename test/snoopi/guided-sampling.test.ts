import { scope, type Tensor, tensor, torchGenerator } from "@snoopi/core";
import { manifest } from "@snoopi/models";
import {
  ddimSteps,
  denoiser,
  encodeTexts,
  guidanceNames,
  type LoadedModel,
  type Moment,
  negativeGuidance,
  negativeMethods,
  oneStep,
  planOf,
  type Request,
  sample,
  timesteps,
} from "@snoopi/snoopi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { relativeError } from "../models/goldens.ts";
import { loadTinyModel } from "./tiny.ts";

// Guidance in a whole network, through samplers and pipeline.

const methods = negativeMethods.map(({ name }) => name);

for (const { name: on, device } of devices) {
  describe(`on ${on}`, () => {
    let loaded: LoadedModel;
    beforeAll(async () => {
      loaded = await loadTinyModel("third-tiny", device);
    });
    afterAll(() => loaded[Symbol.dispose]());

    const normal = (seed: number, shape: readonly number[]): Tensor =>
      tensor(torchGenerator(seed).randn(shape.reduce((a, b) => a * b, 1)), { shape, device });
    const given = () => {
      const { schedule, text: encoder } = loaded.model;
      const text = (seed: number, length: number) => ({ tokens: normal(seed, [1, length, encoder.width]) });
      return { schedule, z: normal(1, [1, 4, 8, 8]), positive: text(2, 7), options: { negative: text(3, 5), empty: text(4, 7) } };
    };

    test.each(methods)("%s acts in every cross-attention layer and in no self-attention, and leaves the network as it was", (name) =>
      scope(async () => {
        const { schedule, z, positive, options } = given();
        const paths = new Set<string>();
        const draw = (scale?: (path: string) => number) => {
          if (!scale) return oneStep(denoiser(loaded.network, schedule), schedule, z, positive).data();
          using guidance = negativeGuidance(name, { ...options, scale });
          return oneStep(denoiser(loaded.network, schedule, { guidance }), schedule, z, positive).data();
        };
        const plain = await draw();
        const guided = await draw((path) => {
          paths.add(path);
          return 0.5;
        });
        const layers = [...manifest((p) => loaded.model.network.build(p)).keys()].flatMap(
          (key) => /^(.*attn2)\.to_q\.weight$/.exec(key)?.[1] ?? [],
        );
        expect([...paths].sort()).toEqual(layers.sort());
        expect(layers.length).toBeGreaterThan(2);
        expect(guided).not.toEqual(plain);
        // Each layer's own scale acts in it; self-attention has none to take.
        expect(await draw((path) => (path.includes("attn1") ? 5 : 0))).toEqual(plain);
        for (const layer of layers) expect(await draw((path) => (path === layer ? 0.5 : 0))).not.toEqual(plain);
        expect(await draw()).toEqual(plain);
      }),
    );

    test("a sampler says which of its steps runs and at which timestep", () =>
      scope(() => {
        const { schedule, z, positive, options } = given();
        const met = new Map<string, Moment>();
        const scale = (_: string, moment: Moment) => {
          met.set(JSON.stringify(moment), moment);
          return 1;
        };
        using guidance = negativeGuidance("nasa", { ...options, scale });
        const denoise = denoiser(loaded.network, schedule, { guidance });
        let x = z;
        for (const { advance } of ddimSteps(denoise, schedule, 3, positive)) x = advance(x);
        expect([...met.values()]).toEqual(timesteps(schedule, 3).map((timestep, step) => ({ step, timestep })));
        met.clear();
        oneStep(denoise, schedule, z, positive);
        expect([...met.values()]).toEqual([{ step: 0, timestep: 999 }]);
      }));

    const latents = async (request: Omit<Request, "prompt">, prompt = "a cat") => {
      const x = await sample(loaded, planOf(loaded.model, { prompt, steps: 1, ...request }));
      const values = await x.data();
      x.dispose();
      return values;
    };

    test.each(guidanceNames)("%s in the pipeline changes the picture, and not at its scale for nothing", async (guidance) => {
      const plain = await latents({});
      expect(await latents({ negative: "dog", guidance })).not.toEqual(plain);
      const nothing = guidance === "cfg" ? { guidance, guidanceScale: 1 } : { guidance, negative: "dog", guidanceScale: 0 };
      expect(await latents(nothing)).toEqual(plain);
    });

    test("NASA by its name is NASA by its scale", async () => {
      expect(await latents({ negative: "dog", guidance: "nasa", guidanceScale: 0.3 })).toEqual(
        await latents({ negative: "dog", nasaScale: 0.3 }),
      );
    });

    test("the neutral form keeps nothing away where the negative is the empty text", async () => {
      expect(await latents({ negative: "", guidance: "neutral" })).toEqual(await latents({}));
      expect(await latents({ negative: "", guidance: "nasa" })).not.toEqual(await latents({}));
    });

    test("vsf does not see the negative's padding", () =>
      scope(async () => {
        const { schedule, tokenizer } = loaded.model;
        const { ids, length } = tokenizer.encode("dog");
        const encode = (text: string) => encodeTexts(loaded, [text]).tokens;
        expect(length).toBeLessThan(ids.length);
        const tokens = encode("dog").slice([null, [0, length]]);
        const z = tensor(torchGenerator(0).randn(400), { shape: [1, 4, 10, 10], device });
        using guidance = negativeGuidance("vsf", { negative: { tokens }, cache: false });
        const expected = oneStep(denoiser(loaded.network, schedule, { guidance }), schedule, z, {
          tokens: encode("a cat"),
        });
        const found = tensor(await latents({ negative: "dog", guidance: "vsf" }), { shape: expected.shape });
        expect(await relativeError(found, expected)).toBe(0);
      }));

    test("cfg in one step mixes two pictures: (1 − κ)·x₀(y₋) + κ·x₀(y)", async () => {
      const [p, n] = [await latents({}), await latents({}, "dog")];
      const found = await latents({ negative: "dog", guidance: "cfg", guidanceScale: 2 });
      const expected = Float32Array.from(p, (v, i) => 2 * v - n[i]);
      // A few roundings of 2⁻²⁴ of numbers three times as large.
      expect(await relativeError(tensor(Float32Array.from(found)), tensor(expected))).toBeLessThan(1e-6);
    });

    test("a scale for each step counts in its step", async () => {
      const several = { steps: 3, negative: "dog", guidance: "nag" };
      const all = await latents({ ...several, guidanceScale: 1.5 });
      expect(await latents({ ...several, guidanceScale: (_, { step = 9 }) => (step < 3 ? 1.5 : 0) })).toEqual(all);
      const first = await latents({ ...several, guidanceScale: (_, { step }) => (step === 0 ? 1.5 : 0) });
      expect(first).not.toEqual(all);
      expect(first).not.toEqual(await latents({ steps: 3, guidance: 1 }));
      expect(await latents({ ...several, guidanceScale: () => 0 })).toEqual(await latents({ steps: 3, guidance: 1 }));
    });
  });
}
