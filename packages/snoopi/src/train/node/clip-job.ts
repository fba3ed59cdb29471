import { join } from "node:path";
import { keyFromSeed, scope } from "@snoopi/core";
import { clipTextConfig, clipTokenizer, endPositions, type Params } from "@snoopi/models";
import { openOutput } from "../../cli/output.ts";
import { attributeNames } from "../../world/attributes.ts";
import { captionIndex, captions, constraints } from "../../world/caption.ts";
import { worldVocabulary } from "../../world/vocabulary.ts";
import { type CaptionIds, captionNumbers, clipStage, mostLogitScale } from "../clip.ts";
import { clipJson, textJson } from "../clip-config.ts";
import { clipModel } from "../clip-model.ts";
import type { TrainConfig } from "../config.ts";
import { picturesOf, scenesOf, stepKey } from "../examples.ts";
import { contactSheet, pixelsOf } from "../sheet.ts";
import { uploaded, type Weights } from "../stage.ts";
import { withNetwork } from "../weights.ts";
import { writeComponent, writeJson } from "./component.ts";
import { makeFolder } from "./folder.ts";
import type { Job, JobOptions } from "./job.ts";

const tested = 256;
const sheet = { texts: 8, pictures: 8, among: 128 };

/** `snoopi train clip`: `text_encoder/` and `tokenizer/` for the pipeline, and `clip/` with both towers. */
export function clipJob(config: TrainConfig<"clip">, { device, out }: JobOptions): Job {
  const vocabulary = worldVocabulary();
  const json = textJson(config, vocabulary);
  const text = clipTextConfig(json);
  const ids = idsOfCaptions(clipTokenizer(vocabulary, { maxPositions: text.maxPositionEmbeddings }), text);
  const key = keyFromSeed(config.seed);
  const stage = clipStage({ device, text, image: config.network, captions: ids, batch: config.batch, blur: config.blur, key });
  const build = (p: Params) => clipModel(p, { text, image: config.network });

  /** Cosines of the chosen captions and `count` unseen pictures, a row for each caption. */
  const likeness = (weights: Weights, chosen: readonly number[], count: number) => {
    const scenes = scenesOf(stepKey(key, 2, 0), 0, count);
    const x = picturesOf(scenes, config.network.imageSize);
    return withNetwork(weights, device, {
      build,
      use: (model) =>
        scope(async (s) => {
          const alike = s.run(() => {
            const given = uploaded({ x, ...captionNumbers(ids, chosen) }, device);
            return model.text(given.ids, given.rows).matmul(model.picture(given.x).transpose());
          });
          return { scenes, x, alike: await alike.data() };
        }),
    });
  };

  return {
    stage,
    settings: { ...config, ema: 0 },
    async sheet(weights) {
      const stride = Math.floor(captions.length / sheet.texts);
      const chosen = Array.from({ length: sheet.texts }, (_, i) => i * stride + 1);
      const { x, alike } = await likeness(weights, chosen, sheet.among);
      const pictures = pixelsOf(x);
      const best = chosen.flatMap((_, row) => {
        const scores = [...alike.subarray(row * sheet.among, (row + 1) * sheet.among)].map((score, i) => [score, i] as const);
        const ranked = scores.sort((a, b) => b[0] - a[0]).slice(0, sheet.pictures);
        return ranked.map(([, i]) => pictures[i]);
      });
      return contactSheet(best, sheet.pictures);
    },
    async finish(weights) {
      const full = constraints.flatMap((one, i) => (Object.keys(one).length === attributeNames.length ? [i] : []));
      const { scenes, alike } = await likeness(weights, full, tested);
      const right = scenes.filter(({ attributes }, picture) => {
        const scores = full.map((_, row) => alike[row * tested + picture]);
        return full[scores.indexOf(Math.max(...scores))] === captionIndex(attributes);
      });
      await writeTokenizer(join(out, "tokenizer"), vocabulary);
      const own = [...weights].filter(([name]) => name.startsWith("text_model."));
      await writeComponent(join(out, "text_encoder"), { config: json, weights: new Map(own), library: "transformers" });
      const { shape, data } = weights.get("logit_scale")!;
      const limited = new Map([...weights, ["logit_scale", { shape, data: Float32Array.of(Math.min(data[0], mostLogitScale)) }]]);
      await writeComponent(join(out, "clip"), { config: clipJson(config, vocabulary), weights: limited, library: "transformers" });
      const share = (right.length / tested).toFixed(3);
      return `clip: of ${full.length} full captions the right one for ${share} of ${tested} unseen pictures, in ${join(out, "text_encoder")}`;
    },
    [Symbol.dispose]() {
      for (const t of Object.values(stage.parameters)) t.dispose();
    },
  };
}

function idsOfCaptions(tokenizer: ReturnType<typeof clipTokenizer>, text: { readonly eosTokenId: number }): CaptionIds {
  const ids = captions.map((caption) => [...tokenizer.encode(caption).ids]);
  return { ids, ends: endPositions(ids, text), length: tokenizer.maxLength };
}

/** A tokenizer folder in CLIP's format. */
async function writeTokenizer(folder: string, { vocab, merges, config, specialTokens }: ReturnType<typeof worldVocabulary>): Promise<void> {
  await makeFolder(folder);
  await writeJson(join(folder, "vocab.json"), vocab);
  await (await openOutput(join(folder, "merges.txt"))).write(new TextEncoder().encode(merges));
  await writeJson(join(folder, "tokenizer_config.json"), config);
  await writeJson(join(folder, "special_tokens_map.json"), specialTokens);
}
