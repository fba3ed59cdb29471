import type { Shape } from "@snoopi/core";
import { expect, test } from "vitest";
import { clipTextConfig } from "../checkpoint/config-clip.ts";
import { pixartConfig } from "../checkpoint/config-pixart.ts";
import { t5Config } from "../checkpoint/config-t5.ts";
import { unetConfig } from "../checkpoint/config-unet.ts";
import { filesFolder } from "../checkpoint/folder.ts";
import { encodeSafetensors } from "../checkpoint/safetensors-write.ts";
import { clipText } from "../clip.ts";
import { manifest } from "../params.ts";
import { pixart } from "../pixart.ts";
import { pixart512, sd15, t5Xxl } from "../presets.ts";
import { t5Encoder } from "../t5.ts";
import { unet } from "../unet.ts";
import { openLora } from "./lora.ts";
import { matchLoras } from "./match.ts";
import { type LoraComponent, loraKey, loraKeysOf, loraName } from "./names.ts";

type Shapes = Readonly<Record<string, Shape>>;

/** A file of ones, as a folder and whatever lies beside it. */
function folderOf(
  shapes: Shapes,
  { metadata = {} as Record<string, string>, beside = {} as Record<string, unknown>, dtype = "f32" as "f32" | "i32" } = {},
) {
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const data = new (dtype === "f32" ? Float32Array : Int32Array)(shape.reduce((a, b) => a * b, 1)).fill(1);
    return [name, { dtype, shape, data }] as const;
  });
  const files = [
    ["x.safetensors", new Blob(encodeSafetensors(tensors, metadata) as Uint8Array<ArrayBuffer>[])] as const,
    ...Object.entries(beside).map(([name, json]) => [name, new Blob([JSON.stringify(json)])] as const),
  ];
  return filesFolder(new Map(files), "dir");
}
const opened = (shapes: Shapes, options?: Parameters<typeof folderOf>[1]) => openLora(folderOf(shapes, options));
const pair = (module: string, [down, up] = ["lora_A", "lora_B"], rank = 2): Shapes => ({
  [`${module}.${down}.weight`]: [rank, 3],
  [`${module}.${up}.weight`]: [4, rank],
});

/** Names as published files have them, and the layer that each is for. */
const known: [string, "unet" | "transformer" | "text_encoder", string][] = [
  ["unet.down_blocks.0.attentions.0.proj_in.lora_A.weight", "unet", "down_blocks.0.attentions.0.proj_in"],
  ["unet.mid_block.attentions.0.proj_in.lora_A.default.weight", "unet", "mid_block.attentions.0.proj_in"],
  ["base_model.model.down_blocks.0.conv1.lora_B.weight", "unet", "down_blocks.0.conv1"],
  [
    "lora_unet_up_blocks_1_attentions_0_transformer_blocks_0_ff_net_0_proj.lora_down.weight",
    "unet",
    "up_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj",
  ],
  [
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0.alpha",
    "unet",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0",
  ],
  [
    "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora.up.weight",
    "unet",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0",
  ],
  [
    "mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight",
    "unet",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
  ],
  [
    "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora.down.weight",
    "unet",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
  ],
  ["transformer.transformer_blocks.3.attn1.to_k.lora_B.weight", "transformer", "transformer_blocks.3.attn1.to_k"],
  ["transformer_blocks.3.attn1.to_k.lora_B.weight", "transformer", "transformer_blocks.3.attn1.to_k"],
  ["lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", "text_encoder", "encoder.layers.0.mlp.fc1"],
  ["lora_te1_text_model_encoder_layers_0_self_attn_out_proj.lora_up.weight", "text_encoder", "encoder.layers.0.self_attn.out_proj"],
  [
    "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight",
    "text_encoder",
    "encoder.layers.0.self_attn.q_proj",
  ],
  ["text_encoder.encoder.layers.0.self_attn.q_proj.lora_A.weight", "text_encoder", "encoder.layers.0.self_attn.q_proj"],
  ["text_encoder.text_model.encoder.layers.0.self_attn.to_out_lora.up.weight", "text_encoder", "encoder.layers.0.self_attn.out_proj"],
  // What diffusers' own conversion makes of transformers 5's names.
  ["lora_te1_encoder_layers_0_mlp_fc1.lora_down.weight", "text_encoder", "encoder.layers.0.mlp.fc1"],
  ["base_model.model.encoder.layers.0.mlp.fc1.lora_A.weight", "text_encoder", "encoder.layers.0.mlp.fc1"],
  ["base_model.model.text_model.encoder.layers.0.mlp.fc1.lora_A.weight", "text_encoder", "encoder.layers.0.mlp.fc1"],
  ["text_encoder.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight", "text_encoder", "encoder.block.0.layer.0.SelfAttention.q"],
];

test.each(known)("%s is of the %s", (name, component, path) => {
  const found = loraName(name)!;
  expect(loraKeysOf(component, path)).toContain(loraKey(found.module));
});

test.each(["unet.conv1.dora_scale", "lora_unet_conv1.hada_w1_a", "lora_unet_conv1.lokr_w1", "unet.conv1.lora_B.bias", "unet.conv1.weight"])(
  "%s is no half of a pair",
  async (name) => {
    expect(loraName(name)).toBeUndefined();
    await expect(opened({ ...pair("unet.conv2"), [name]: [1] })).rejects.toThrow(
      `dir/x.safetensors: 1 of its 3 tensors are not of low-rank pairs, which alone are supported: ${name}.`,
    );
  },
);

const factors = async (lora: ReturnType<typeof openLora>) => [...(await lora).layers.values()].map(({ factor }) => factor);
const header = (fields: object) => ({ metadata: { lora_adapter_metadata: JSON.stringify(fields) } });

test("the factor is alpha over the rank, from wherever the file has alpha, and 1 without", async () => {
  const today = pair("unet.a.q");
  expect(await factors(opened(today))).toEqual([1]);
  expect(await factors(opened({ ...pair("lora_unet_a_q", ["lora_down", "lora_up"]), "lora_unet_a_q.alpha": [] }))).toEqual([0.5]);
  expect(await factors(opened(today, header({ "unet.lora_alpha": 3 })))).toEqual([1.5]);
  expect(await factors(opened(today, header({ "unet.lora_alpha": 3, "unet.use_rslora": true })))).toEqual([3 / Math.SQRT2]);
  expect(await factors(opened(today, header({ "unet.lora_alpha": 3, "unet.alpha_pattern": { "a.q": 8 } })))).toEqual([4]);
  expect(await factors(opened(today, header({ "unet.lora_alpha": 3, "unet.alpha_pattern": { "b.q": 8 } })))).toEqual([1.5]);
  expect(await factors(opened(today, header({ "unet.alpha_pattern": { "^q": 6, "^a.q": 8 } })))).toEqual([4]);
  expect(await factors(opened(today, header({ "text_encoder.lora_alpha": 3 })))).toEqual([1]);
  // A network that was saved by itself.
  expect(await factors(opened(pair("a.q"), header({ lora_alpha: 3, alpha_pattern: { "^b.q": 8 } })))).toEqual([1.5]);
  const raw = pair("base_model.model.a.q");
  expect(await factors(opened(raw, { beside: { "adapter_config.json": { lora_alpha: 16, r: 2 } } }))).toEqual([8]);
});

test.each<[string, () => Promise<unknown>, string]>([
  ["PEFT's file alone", () => opened(pair("base_model.model.a.q")), "whose alpha is in adapter_config.json, which is not beside it"],
  ["a DoRA", () => opened(pair("unet.a.q"), header({ "unet.use_dora": true })), "it is a DoRA"],
  [
    "an expression",
    () => opened(pair("unet.a.q"), header({ "unet.alpha_pattern": { "a|b": 8 } })),
    'alpha_pattern has the expression "a|b"',
  ],
  ["an alpha that is none", () => opened(pair("unet.a.q"), header({ "unet.lora_alpha": "8" })), 'the alpha of a.q is "8"'],
  [
    "PiSSA",
    () => opened(pair("unet.a.q"), header({ "unet.init_lora_weights": "pissa_niter_4" })),
    'its init_lora_weights is "pissa_niter_4"',
  ],
  [
    "an alpha_pattern that is none",
    () => opened(pair("unet.a.q"), header({ "unet.alpha_pattern": ["a.q"] })),
    'alpha_pattern is ["a.q"], expected an object.',
  ],
  ...["null", "[]", "3", '"x"'].map((text): [string, () => Promise<unknown>, string] => [
    `a header of ${text}`,
    () => opened(pair("unet.a.q"), { metadata: { lora_adapter_metadata: text } }),
    "lora_adapter_metadata in the header is not a JSON object.",
  ]),
  ["a header that is no JSON", () => opened(pair("unet.a.q"), { metadata: { lora_adapter_metadata: "{" } }), "is not JSON"],
  ["an alpha alone", () => opened({ ...pair("unet.a.q"), "unet.b.q.alpha": [] }), "unet.b.q has only its alpha"],
  ["half a pair", () => opened({ "unet.a.q.lora_A.weight": [2, 3] }), "unet.a.q has only its first half"],
  [
    "halves of other ranks",
    () => opened({ "unet.a.q.lora_A.weight": [2, 3], "unet.a.q.lora_B.weight": [4, 3] }),
    'lora_A.weight" is [2, 3] and "unet.a.q.lora_B.weight" is [4, 3]',
  ],
  ["one layer twice", () => opened({ ...pair("unet.a.q"), "unet.a.q.lora.down.weight": [2, 3] }), "are the same half of a pair"],
  ["what is quantised", () => opened(pair("unet.a.q"), { dtype: "i32" }), '"unet.a.q.lora_A.weight" is I32, no floats but quantised.'],
  ["nothing", () => opened({}), "there is no tensor in it"],
  ["several alphas", () => opened({ ...pair("unet.a.q"), "unet.a.q.alpha": [2] }), '"unet.a.q.alpha" is [1,1], expected one number'],
  ["an empty folder", () => openLora(filesFolder(new Map(), "dir")), "dir: there is no .safetensors file. Name the LoRA's file."],
])("%s is refused", async (_, open, message) => {
  await expect(open()).rejects.toThrow(message);
});

const networks = new Map([
  [
    "unet" as const,
    new Map<string, Shape>([
      ["a.q.weight", [4, 3]],
      ["a.conv.weight", [4, 3, 1, 1]],
      ["a.q.bias", [4]],
    ]),
  ],
]);

test("a linear's pair fits a 1 × 1 convolution, and what the model lacks is told", async () => {
  const lora = await opened({ ...pair("unet.a.q"), ...pair("unet.a.conv"), ...pair("unet.b.q") });
  const { changes, unexpected } = matchLoras([{ lora }, { lora, scale: 3 }], networks);
  expect([...changes.get("unet")!].map(([name, all]) => [name, all.map(({ scale }) => scale)])).toEqual([
    ["a.conv.weight", [1, 3]],
    ["a.q.weight", [1, 3]],
  ]);
  expect(unexpected.get(lora)).toEqual(["unet.b.q"]);
});

test("a LoRA of another model is refused, and so is a scale that is none", async () => {
  const strange = await opened(pair("unet.b.q"));
  expect(() => matchLoras([{ lora: strange }], networks)).toThrow("none of its 1 layers is one of this model's, such as unet.b.q.");
  // As SDXL's, whose first text encoder is Stable Diffusion 1's.
  const text = await opened({ ...pair("lora_te1_text_model_c"), ...pair("lora_te2_text_model_c"), ...pair("lora_unet_input_blocks_1") });
  const beside = new Map([...networks, ["text_encoder" as const, new Map<string, Shape>([["c.weight", [4, 3]]])]]);
  expect(() => matchLoras([{ lora: text }], beside)).toThrow(
    "none of its 1 layers beside the text encoder's is one of this model's, such as lora_unet_input_blocks_1.",
  );
  const wider = await opened({ "unet.a.q.lora_A.weight": [2, 5], "unet.a.q.lora_B.weight": [4, 2] });
  expect(() => matchLoras([{ lora: wider }], networks)).toThrow("unet.a.q is made for a weight of 4 × 5, and a.q.weight is [4, 3].");
  const twice = await opened({ ...pair("lora_te_c", ["lora_down", "lora_up"]), ...pair("lora_te1_c", ["lora_down", "lora_up"]) });
  expect(() => matchLoras([{ lora: twice }], beside)).toThrow("lora_te1_c and lora_te_c are the same layer, c.weight.");
  const fine = await opened(pair("unet.a.q"));
  expect(() => matchLoras([{ lora: fine, scale: Number.NaN }], networks)).toThrow("its scale is NaN");
});

test("no two layers of a model are meant by one name", () => {
  const models = [
    { unet: manifest((p) => unet(p, unetConfig(sd15.unet))), text_encoder: manifest((p) => clipText(p, clipTextConfig(sd15.textEncoder))) },
    {
      transformer: manifest((p) => pixart(p, pixartConfig(pixart512.transformer))),
      text_encoder: manifest((p) => t5Encoder(p, t5Config(t5Xxl))),
    },
  ];
  for (const model of models) {
    const keys = Object.entries(model).flatMap(([component, shapes]) =>
      [...shapes.keys()].flatMap((name) => (name.endsWith(".weight") ? loraKeysOf(component as LoraComponent, name.slice(0, -7)) : [])),
    );
    expect(keys.length).toBeGreaterThan(1000);
    expect(new Set(keys).size).toBe(keys.length);
  }
});
