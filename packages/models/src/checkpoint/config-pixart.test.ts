import { expect, test } from "vitest";
import { pixartConfig } from "./config-pixart.ts";

test("a PixArt transformer's omitted keys take diffusers' defaults", () => {
  expect(pixartConfig({})).toEqual({
    sampleSize: 128,
    inChannels: 4,
    outChannels: 8,
    patchSize: 2,
    numLayers: 28,
    numAttentionHeads: 16,
    attentionHeadDim: 72,
    attentionBias: true,
    crossAttentionDim: 1152,
    captionChannels: null,
    normEps: 1e-6,
    interpolationScale: 2,
    useAdditionalConditions: true,
    ignored: [],
  });
});

test("PixArt-α is read under its older class's name, with that class's keys", () => {
  const config = pixartConfig({
    _class_name: "Transformer2DModel",
    _diffusers_version: "0.22.0.dev0",
    norm_type: "ada_norm_single",
    caption_channels: 4096,
    sample_size: 64,
    attention_type: "default",
    double_self_attention: false,
    dropout: 0,
    norm_num_groups: 32,
    num_embeds_ada_norm: 1000,
    num_vector_embeds: null,
    only_cross_attention: false,
    upcast_attention: false,
    use_linear_projection: false,
    odd: 1,
  });
  expect(config).toMatchObject({ captionChannels: 4096, interpolationScale: 1, useAdditionalConditions: false, ignored: ["odd"] });
});

test("a PixArt transformer is told sizes at a sample size of 128, unless its file says otherwise", () => {
  const told = (json: Record<string, unknown>) => pixartConfig(json).useAdditionalConditions;
  expect([told({ use_additional_conditions: null }), told({ sample_size: 64 })]).toEqual([true, false]);
  // PixArt-Σ
  expect(told({ use_additional_conditions: false })).toBe(false);
  expect(told({ sample_size: 64, use_additional_conditions: true })).toBe(true);
  const scale = (json: Record<string, unknown>) => pixartConfig(json).interpolationScale;
  expect([scale({ sample_size: 32 }), scale({ interpolation_scale: null }), scale({ interpolation_scale: 0.5 })]).toEqual([1, 2, 0.5]);
  expect(pixartConfig({ in_channels: 3, out_channels: null }).outChannels).toBe(3);
});

test.each<[Record<string, unknown>, string]>([
  [
    { _class_name: "DiTTransformer2DModel" },
    'pixart: _class_name is "DiTTransformer2DModel", only "PixArtTransformer2DModel", "Transformer2DModel" is supported.',
  ],
  [{ _class_name: "Transformer2DModel" }, 'pixart: norm_type is missing, only "ada_norm_single" is supported.'],
  [{ norm_type: "ada_norm_zero" }, 'pixart: norm_type is "ada_norm_zero", only "ada_norm_single" is supported.'],
  [{ norm_elementwise_affine: true }, "pixart: norm_elementwise_affine is true, only false is supported."],
  [{ activation_fn: "geglu" }, 'pixart: activation_fn is "geglu", only "gelu-approximate" is supported.'],
  [{ attention_type: "gated" }, 'pixart: attention_type is "gated", only "default" is supported.'],
  [{ only_cross_attention: true }, "pixart: only_cross_attention is true, only false is supported."],
  [{ cross_attention_dim: null }, "pixart: cross_attention_dim is null, expected a positive whole number."],
  [{ caption_channels: 0 }, "pixart: caption_channels is 0, expected a positive whole number."],
  [{ num_layers: 2.5 }, "pixart: num_layers is 2.5, expected a positive whole number."],
  [
    { caption_channels: 4096, cross_attention_dim: 768 },
    "pixart: cross_attention_dim is 768 and captions are projected to 1152. They must agree.",
  ],
  [{ attention_head_dim: 70, sample_size: 64, num_attention_heads: 1 }, "1 × 70, not a multiple of 4. Positions are sines and cosines"],
  [{ attention_head_dim: 40 }, "16 × 40, not a multiple of 3. Height, width and aspect ratio take a third each."],
  [{ patch_size: 200 }, "pixart: patch_size is 200 and sample_size 128: not one patch fits."],
  [{ interpolation_scale: 0 }, "pixart: interpolation_scale is 0, expected a number above 0."],
])("a PixArt transformer with %j is refused", (json, message) => {
  expect(() => pixartConfig(json)).toThrow(message);
});
