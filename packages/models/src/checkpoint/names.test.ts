import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalNames, fitsShape } from "./names.ts";

test("CLIP loses its prefix, its position ids and the rest of the full model", () => {
  const { names, dropped } = canonicalNames("clip", [
    "text_model.embeddings.token_embedding.weight",
    "text_model.embeddings.position_ids",
    "final_layer_norm.weight",
    "text_projection.weight",
    "logit_scale",
    "vision_model.post_layernorm.bias",
    "visual_projection.weight",
  ]);
  expect(Object.fromEntries(names)).toEqual({
    "embeddings.token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "final_layer_norm.weight": "final_layer_norm.weight",
    "text_projection.weight": "text_projection.weight",
  });
  expect(dropped).toEqual([
    "text_model.embeddings.position_ids",
    "logit_scale",
    "vision_model.post_layernorm.bias",
    "visual_projection.weight",
  ]);
});

test("T5 loses its decoder, and its embedding has one name, whichever the file has", () => {
  const whole = ["decoder.block.0.layer.0.SelfAttention.q.weight", "decoder.embed_tokens.weight", "encoder.embed_tokens.weight"];
  const rest = ["encoder.final_layer_norm.weight", "lm_head.weight", "shared.weight"];
  const { names, dropped } = canonicalNames("t5", [...whole, ...rest]);
  expect(Object.fromEntries(names)).toEqual({
    "encoder.final_layer_norm.weight": "encoder.final_layer_norm.weight",
    "shared.weight": "shared.weight",
  });
  expect(dropped).toEqual([...whole, "lm_head.weight"]);
  const alone = canonicalNames("t5", ["encoder.embed_tokens.weight"]);
  expect([[...alone.names], alone.dropped]).toEqual([[["shared.weight", "encoder.embed_tokens.weight"]], []]);
  expect(canonicalNames("t5", ["shared.weight", "encoder.embed_tokens.weight"]).names.get("shared.weight")).toBe("shared.weight");
});

test("the old names of the VAE's attention become today's", () => {
  const at = "decoder.mid_block.attentions.0";
  const old = ["query.weight", "key.bias", "value.weight", "proj_attn.bias", "group_norm.weight", "to_q.bias"].map(
    (name) => `${at}.${name}`,
  );
  const { names } = canonicalNames("vae", [...old, "decoder.conv_in.weight"]);
  expect([...names.keys()]).toEqual([
    ...["to_q.weight", "to_k.bias", "to_v.weight", "to_out.0.bias", "group_norm.weight", "to_q.bias"].map((name) => `${at}.${name}`),
    "decoder.conv_in.weight",
  ]);
});

test("PixArt's early names become today's, and what is computed or only trained with is left out", () => {
  const { names, dropped } = canonicalNames("pixart", [
    "caption_projection.mlp.0.weight",
    "caption_projection.mlp.2.bias",
    "adaln_single.emb.resolution_embedder.mlp.0.bias",
    "adaln_single.emb.aspect_ratio_embedder.mlp.2.weight",
    "caption_projection.y_embedding",
    "pos_embed.pos_embed",
    "pos_embed.proj.weight",
  ]);
  expect([...names.keys()]).toEqual([
    "caption_projection.linear_1.weight",
    "caption_projection.linear_2.bias",
    "adaln_single.emb.resolution_embedder.linear_1.bias",
    "adaln_single.emb.aspect_ratio_embedder.linear_2.weight",
    "pos_embed.proj.weight",
  ]);
  expect(dropped).toEqual(["caption_projection.y_embedding", "pos_embed.pos_embed"]);
});

test("two stored names for one parameter are an error", () => {
  expect(() => canonicalNames("clip", ["text_model.a", "a"])).toThrow('clip: the file holds both "text_model.a" and "a"');
});

test("canonical names stay as they are, whatever the network", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("clip", "t5", "unet", "vae", "pixart" as const),
      fc.uniqueArray(fc.stringMatching(/^[a-z_]+\.[0-9]\.[a-z_]+\.weight$/)),
      (kind, stored) => {
        const once = [
          ...canonicalNames(
            kind,
            stored.filter((name) => !name.startsWith("text_model")),
          ).names.keys(),
        ];
        expect([...canonicalNames(kind, once).names.keys()]).toEqual(once);
      },
    ),
  );
});

test("a matrix and a 1×1 convolution stand for each other, and nothing else does", () => {
  expect(fitsShape([4, 8], [4, 8, 1, 1])).toBe(true);
  expect(fitsShape([4, 8, 1, 1], [4, 8])).toBe(true);
  expect(fitsShape([4], [4])).toBe(true);
  expect(fitsShape([8, 4], [4, 8])).toBe(false);
  expect(fitsShape([4, 8, 3, 3], [4, 8])).toBe(false);
  expect(fitsShape([4], [4, 1])).toBe(false);
  expect(fitsShape([1, 1, 4, 8], [4, 8])).toBe(false);
});
