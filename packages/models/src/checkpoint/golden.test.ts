import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { autoencoderConfig } from "../autoencoder.ts";
import { clipTextConfig } from "./config-clip.ts";
import { pixartConfig } from "./config-pixart.ts";
import { schedulerConfig } from "./config-scheduler.ts";
import { t5Config } from "./config-t5.ts";
import { unetConfig } from "./config-unet.ts";
import { canonicalNames, type NetworkKind } from "./names.ts";
import { nodeFolder } from "./node-folder.ts";
import { openPipelineFolder } from "./pipeline.ts";

const golden = join(import.meta.dirname, "../../../../test/golden");
const kinds = { unet: "unet", vae: "vae", text_encoder: "clip" } as const satisfies Record<string, NetworkKind>;

test.each(readdirSync(golden).filter((name) => name.endsWith("-tiny")))("all of %s can be read", async (checkpoint) => {
  const pipeline = await openPipelineFolder(nodeFolder(join(golden, checkpoint)));
  const unet = unetConfig(await pipeline.config("unet"));
  const vae = autoencoderConfig(await pipeline.config("vae"));
  const text = clipTextConfig(await pipeline.config("text_encoder"));
  const scheduler = schedulerConfig(await pipeline.config("scheduler"), { as: "DDIMScheduler" });
  expect([unet, vae, text, scheduler].flatMap(({ ignored }) => ignored)).toEqual([]);
  expect(unet.crossAttentionDim).toBe(text.hiddenSize);
  expect(unet.inChannels).toBe(vae.latentChannels);

  for (const [component, kind] of Object.entries(kinds)) {
    const weights = await pipeline.weights(component);
    const { names } = canonicalNames(kind, weights.entries.keys());
    expect([...names.keys()].filter((name) => /text_model|position_ids|\.(query|key|value|proj_attn)\./.test(name))).toEqual([]);
    let bytes = 0;
    for (const name of names.values()) {
      const { data } = await weights.read(name, { dtype: "f32" });
      expect(data.every(Number.isFinite), name).toBe(true);
    }
    for (const { start, end } of weights.entries.values()) bytes += end - start;
    expect(weights.bytes).toBe(bytes);
    await weights.close();
  }
});

// Published models as today's libraries name their tensors.
test.each(readdirSync(join(golden, "manifest")))("the config of %s is understood in full, and its names are canonical", (file) => {
  const { config, class: className, tensors } = JSON.parse(readFileSync(join(golden, "manifest", file), "utf8"));
  const kind = (["unet", "vae", "pixart", "t5"] as const).find((one) => file.includes(one)) ?? "clip";
  const parse = { unet: unetConfig, vae: autoencoderConfig, clip: clipTextConfig, pixart: pixartConfig, t5: t5Config }[kind];
  expect(parse({ _class_name: className, ...config }).ignored).toEqual([]);
  const stored = Array.isArray(tensors) ? tensors.map(([name]) => name) : Object.keys(tensors);
  const { names, dropped } = canonicalNames(kind, stored);
  expect([...names.keys()]).toEqual(stored);
  expect(dropped).toEqual([]);
});
