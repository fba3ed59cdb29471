import { expect, test } from "vitest";
import { clipSizes } from "./clip-sizes.ts";

test("both towers are projected to the width that the whole CLIP has", () => {
  const tower = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2, projection_dim: 32 };
  const json = { projection_dim: 16, text_config: tower, vision_config: { ...tower, image_size: 8, patch_size: 4 } };
  expect(clipSizes(json, "clip").text.projectionDim).toBe(16);
});
