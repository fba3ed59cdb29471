import fc from "fast-check";
import { expect, test } from "vitest";
import { clipTextConfig } from "../checkpoint/config-clip.ts";
import { unetConfig } from "../checkpoint/config-unet.ts";
import { vaeConfig } from "../checkpoint/config-vae.ts";
import { manifest } from "../params.ts";
import { unet } from "../unet.ts";
import { autoencoderKL } from "../vae.ts";
import { type Renaming, renamed } from "./renaming.ts";
import { clipName, openClipNames } from "./text-names.ts";
import { unetNames } from "./unet-names.ts";
import { vaeNames } from "./vae-names.ts";

/** Modules that hold no parameter, and parameters that are in no module. Each should be in one: a checkpoint calls its module by one name. */
function unmatched({ modules }: Renaming, parameters: Iterable<string>) {
  const found = new Set<string>();
  const homeless: string[] = [];
  const ours = [...modules.values()];
  for (const name of parameters) {
    const homes = ours.filter((module) => name.startsWith(`${module}.`));
    if (homes.length !== 1) homeless.push(name);
    for (const home of homes) found.add(home);
  }
  return { empty: ours.filter((module) => !found.has(module)), homeless };
}

/** Whether numbers behind a name begin at 0 and leave none out. */
const inARow = ({ modules }: Renaming, list: string) => {
  const numbers = new Set([...modules.keys()].flatMap((name) => (name.startsWith(`${list}.`) ? [Number(name.split(".")[1])] : [])));
  return [...numbers].sort((a, b) => a - b).every((n, i) => n === i);
};

test("a UNet of any blocks has a name in a checkpoint for each of its modules, and no other", () => {
  const blocks = fc.array(fc.record({ layers: fc.integer({ min: 1, max: 3 }), down: fc.boolean(), up: fc.boolean() }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(blocks, (all) => {
      const config = unetConfig({
        block_out_channels: all.map(() => 4),
        norm_num_groups: 2,
        attention_head_dim: 2,
        cross_attention_dim: 4,
        layers_per_block: all.map(({ layers }) => layers),
        down_block_types: all.map(({ down }) => (down ? "CrossAttnDownBlock2D" : "DownBlock2D")),
        up_block_types: all.map(({ up }) => (up ? "CrossAttnUpBlock2D" : "UpBlock2D")),
      });
      const names = unetNames(config);
      expect(unmatched(names, manifest((p) => unet(p, config)).keys())).toEqual({ empty: [], homeless: [] });
      expect([inARow(names, "input_blocks"), inARow(names, "output_blocks")]).toEqual([true, true]);
    }),
    { numRuns: 40 },
  );
});

test("so has a VAE", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3 }), (blocks, layers) => {
      const config = vaeConfig({
        block_out_channels: Array(blocks).fill(2),
        norm_num_groups: 2,
        layers_per_block: layers,
        down_block_types: Array(blocks).fill("DownEncoderBlock2D"),
        up_block_types: Array(blocks).fill("UpDecoderBlock2D"),
      });
      const names = vaeNames(config);
      expect(unmatched(names, manifest((p) => autoencoderKL(p, config)).keys())).toEqual({ empty: [], homeless: [] });
    }),
    { numRuns: 15 },
  );
});

test("the longest module counts, and what is none is unknown", () => {
  const modules = new Map([
    ["a.0", "one"],
    ["a.0.op", "two"],
  ]);
  const renaming = { modules, parts: new Map([["in.0", "first"]]) };
  const names = ["a.0.in.0.weight", "a.0.op.weight", "a.0.in.1.weight", "a.0", "a.00.in.0.weight", "a", ""];
  expect(names.map((name) => renamed(name, renaming))).toEqual([
    "one.first.weight",
    "two.weight",
    "one.in.1.weight",
    "one",
    undefined,
    undefined,
    undefined,
  ]);
});

test("three layers that OpenCLIP holds as one are three, and one layer more than are counted is none", () => {
  const names = openClipNames(clipTextConfig({ num_hidden_layers: 2, hidden_size: 8 }));
  const layer = "text_model.encoder.layers.1.self_attn";
  expect(names("transformer.resblocks.1.attn.in_proj_bias")).toEqual([
    `${layer}.q_proj.bias`,
    `${layer}.k_proj.bias`,
    `${layer}.v_proj.bias`,
  ]);
  expect(names("positional_embedding")).toEqual(["text_model.embeddings.position_embedding.weight"]);
  expect(names("transformer.resblocks.2.ln_1.weight")).toEqual([]);
  expect([names("transformer.resblocks.3.ln_1.weight"), names("visual.proj")]).toEqual([undefined, undefined]);
});

test("names of CLIP without text_model. have it added, and others not", () => {
  const names = ["embeddings.position_embedding.weight", "text_model.final_layer_norm.bias", "logit_scale"];
  expect(names.map(clipName)).toEqual([`text_model.${names[0]}`, names[1], names[2]]);
});
