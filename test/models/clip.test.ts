import { type Device, tensor } from "@snoopi/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clipTextConfig } from "../../packages/models/src/checkpoint/config-clip.ts";
import { activationOf, clipText } from "../../packages/models/src/clip.ts";
import { endPositions, idsTensor } from "../../packages/models/src/clip-ids.ts";
import { countOf, init, load, manifest, params } from "../../packages/models/src/params.ts";
import { devices } from "../devices.ts";
import { goldenJson, goldenTensors, relativeError, sorted } from "./goldens.ts";
import { loadTiny } from "./tiny-component.ts";

const checkpoints = ["sd15-tiny", "sd21-tiny", "third-tiny"];

// f32 sums of ≤ 128 terms through ≤ 4 layers round to 5e-7; the subtlest mistake, the other gelu, is off by 2e-4.
const f32 = 1e-4;
// Weights rounded to f16 are off by up to 2⁻¹² each, and independently: some 1e-3 after all layers.
const f16 = 5e-3;

const loadEncoder = (checkpoint: string, on: Parameters<typeof loadTiny>[2]) =>
  loadTiny(checkpoint, { component: "text_encoder", kind: "clip", parse: clipTextConfig, build: clipText }, on);

async function tinyEncoder(checkpoint: string, device: Device, dtype: "f32" | "f16" = "f32") {
  const { config, tensors } = await loadEncoder(checkpoint, { device, dtype });
  return clipText(params(load(tensors)), config);
}

describe.each([
  ["sd15-text_encoder", 12],
  ["sd21-text_encoder", 23],
])("a full-size %s", (name, layers) => {
  const golden = goldenJson(`manifest/${name}`);
  const config = clipTextConfig(golden.config);

  test("has the parameters that transformers has, name by name", () => {
    expect(config.numHiddenLayers).toBe(layers);
    const asked = manifest((p) => clipText(p, config));
    expect(sorted(asked)).toEqual(sorted(new Map(Object.entries(golden.tensors))));
    expect(countOf(asked)).toBe(golden.parameters);
  });

  test("has one more with a projection", () => {
    const asked = manifest((p) => clipText(p, { ...config, withProjection: true, projectionDim: 1280 }));
    expect(asked.get("text_projection.weight")).toEqual([1280, config.hiddenSize]);
    expect(asked.size).toBe(Object.keys(golden.tensors).length + 1);
  });
});

describe.each(devices)("on $name", ({ device }) => {
  describe.each(checkpoints)("the text encoder of %s", (checkpoint) => {
    const { cases, layers }: { cases: { name: string }[]; layers: number } = goldenJson(`text/${checkpoint}`);

    test.each(cases)("equals transformers' for the case $name", async (one) => {
      const golden = await goldenTensors(`text/${checkpoint}`);
      const encode = await tinyEncoder(checkpoint, device);
      const { hidden, last } = encode(golden(`${one.name}.ids`, { device }));
      expect(await relativeError(last, golden(`${one.name}.last_hidden_state`, { device }))).toBeLessThan(f32);
      expect(hidden.length).toBe(layers + 1);
    });

    test("equals transformers' after every layer", async () => {
      const golden = await goldenTensors(`text/${checkpoint}`);
      const { hidden } = (await tinyEncoder(checkpoint, device))(golden("batch of two.ids", { device }));
      for (const [i, h] of hidden.entries()) {
        expect(await relativeError(h, golden(`batch of two.hidden_states.${i}`, { device }))).toBeLessThan(f32);
      }
    });
  });

  test.each(checkpoints)("the text encoder of %s gives the same in f32 with weights kept in f16", async (checkpoint) => {
    const golden = await goldenTensors(`text/${checkpoint}`);
    const { last } = (await tinyEncoder(checkpoint, device, "f16"))(golden("batch of two.ids", { device }));
    expect(last.dtype).toBe("f32");
    expect(await relativeError(last, golden("batch of two.last_hidden_state", { device }))).toBeLessThan(f16);
  });

  test("clipSkip takes an earlier layer through the final norm, as a model without the later layers does", async () => {
    const { config: sizes, tensors } = await loadEncoder("sd15-tiny", { device, dtype: "f32" });
    const weights = params(load(tensors));
    const ids = tensor(Int32Array.of(5, 9, 700, 1, 2, 3), { shape: [2, 3], device });
    const { last, hidden } = clipText(weights, sizes)(ids, { clipSkip: 1 });
    const shorter = clipText(weights, { ...sizes, numHiddenLayers: sizes.numHiddenLayers - 1 })(ids);
    expect(await last.data()).toEqual(await shorter.last.data());
    expect(await hidden[2].data()).toEqual(await shorter.hidden[2].data());
  });

  test("a token changes nothing before it", async () => {
    const encode = await tinyEncoder("sd15-tiny", device);
    const width = 32;
    const texts = [1, 2].map((end) => tensor(Int32Array.of(5, 9, 700, end), { shape: [1, 4], device }));
    const [a, b] = await Promise.all(texts.map((ids) => encode(ids).last.data()));
    expect(a.subarray(0, 3 * width)).toEqual(b.subarray(0, 3 * width));
    expect(a.subarray(3 * width)).not.toEqual(b.subarray(3 * width));
  });

  test("the pooled output is the normalised state where each text ends", async () => {
    const encode = await tinyEncoder("sd15-tiny", device);
    const out = encode(tensor(Int32Array.of(5, 9, 700, 1, 2, 3), { shape: [2, 3], device }), { clipSkip: 2 });
    const { last } = encode(tensor(Int32Array.of(5, 9, 700, 1, 2, 3), { shape: [2, 3], device }));
    const [pooled, all] = [await out.pooled([2, 0]).data(), await last.data()];
    const at = (row: number) => [...all.subarray(row * 32, (row + 1) * 32)];
    expect([...pooled]).toEqual([...at(2), ...at(3)]);
  });

  test("the pooled output goes through the projection of a model that has one", async () => {
    const { config, tensors } = await loadEncoder("sd15-tiny", { device, dtype: "f32" });
    const sizes = { ...config, withProjection: true, projectionDim: 2 };
    const projection = new Float32Array(2 * 32);
    projection[1] = 2;
    projection[32 + 5] = -1;
    const loaded = new Map([...tensors, ["text_projection.weight", tensor(projection, { shape: [2, 32], device })]]);
    const ids = tensor(Int32Array.of(5, 9, 700), { shape: [1, 3], device });
    const { last, pooled } = clipText(params(load(loaded)), sizes)(ids);
    const state = (await last.data()).subarray(2 * 32);
    expect([...(await pooled([2]).data())]).toEqual([2 * state[1], -state[5]]);
  });
});

describe("token ids", () => {
  const sizes = { vocabSize: 10, maxPositionEmbeddings: 4 };

  test("become one tensor", async () => {
    const ids = idsTensor(
      [
        [1, 2, 9],
        [0, 0, 3],
      ],
      sizes,
    );
    expect([ids.dtype, ids.shape]).toEqual(["i32", [2, 3]]);
    expect([...(await ids.data())]).toEqual([1, 2, 9, 0, 0, 3]);
  });

  test("outside of the vocabulary are refused, with their place", () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ max: -1 }), fc.integer({ min: 10 }), fc.constantFrom(0.5, Number.NaN)), (id) => {
        expect(() =>
          idsTensor(
            [
              [1, 2],
              [3, id],
            ],
            sizes,
          ),
        ).toThrow(`ids: token 1 of text 1 is ${id} and the text encoder knows 0 to 9.`);
      }),
    );
  });

  test("must be equally many, at least one and at most what the model reads", () => {
    expect(() => idsTensor([[1, 2], [3]], sizes)).toThrow("ids: text 0 has 2 tokens and text 1 has 1. Pad them.");
    expect(() => idsTensor([], sizes)).toThrow("ids: there are no tokens.");
    expect(() => idsTensor([[1, 2, 3, 4, 5]], sizes)).toThrow("ids: a text has 5 tokens and the text encoder reads 4. Truncate it.");
  });

  test("end at the first end token; a config that says 2 means the largest id", () => {
    expect(
      endPositions(
        [
          [7, 5, 9, 9],
          [7, 9, 3, 9],
          [7, 1, 1, 1],
        ],
        { eosTokenId: 9 },
      ),
    ).toEqual([2, 1, 0]);
    expect(
      endPositions(
        [
          [7, 5, 9, 9],
          [7, 2, 3, 9],
        ],
        { eosTokenId: 2 },
      ),
    ).toEqual([2, 3]);
  });
});

describe("what is wrong is said before anything runs:", () => {
  const config = {
    ...clipTextConfig({ vocab_size: 10, hidden_size: 4, num_attention_heads: 2, num_hidden_layers: 1, max_position_embeddings: 4 }),
  };
  const build = (hiddenAct: string) =>
    clipText(params(init((_, shape) => tensor(new Float32Array(shape.reduce((n, d) => n * d, 1)), { shape }))), { ...config, hiddenAct });
  const ids = (shape: number[]) => tensor(new Int32Array(shape.reduce((n, d) => n * d, 1)), { shape });

  test("an unknown activation", () => {
    expect(() => build("swiglu")).toThrow(
      'text_encoder: the activation is "swiglu". Only quick_gelu, gelu, gelu_new, gelu_pytorch_tanh are supported.',
    );
    expect(() => activationOf("constructor")).toThrow("the activation is");
  });

  test("a text that is too long, or no batch of texts", () => {
    const encode = build("gelu_new");
    expect(() => encode(ids([1, 5]))).toThrow("ids are [1, 5]: a text has 5 tokens and the model reads 1 to 4");
    expect(() => encode(ids([3]))).toThrow("ids are [3], expected [batch, tokens]");
  });

  test("a clipSkip that leaves no layer, and ends that are not there", () => {
    const encode = build("gelu");
    expect(() => encode(ids([1, 2]), { clipSkip: 2 })).toThrow("clipSkip is 2, expected a whole number from 0 to the model's 1 layers");
    expect(() => encode(ids([1, 2])).pooled([2])).toThrow("the ends are [2], expected 1 positions from 0 to 1");
  });
});
