import { basename, join, resolve } from "node:path";
import { type Device, foldIn, keyFromSeed } from "@snoopi/core";
import { nodeFolder } from "@snoopi/models/node";
import { contactNegatives, contactPrompts } from "../eval/table/contact.ts";
import { inSteps } from "../eval/table/table.ts";
import { encodePng } from "../picture/png.ts";
import type { Picture } from "../pipeline/generate.ts";
import { type BatchRequest, generateBatch } from "../pipeline/generate-batch.ts";
import { type LoadedModel, loadModel } from "../pipeline/load.ts";
import { openModel } from "../pipeline/open.ts";
import { normals } from "../train/examples.ts";
import { makeFolder } from "../train/node/folder.ts";
import { contactSheet, pixelsOf } from "../train/sheet.ts";
import type { EvalOptions } from "./eval-args.ts";
import { openOutput } from "./output.ts";

export interface ContactOptions {
  readonly device: Device;
  readonly signal: AbortSignal;
  readonly software: string;
  readonly onPictures: (part: string, added: number, total: number) => void;
}

/**
 * Draws two sheets with a model, or with the first student if any is given: one prompt per row, and one negative per row, the same noises
 * without it on the left and with it on the right. A page and the PNGs' metadata say what each row shows. Returns the paths.
 */
export async function contactSheets(options: EvalOptions, { device, signal, software, onPictures }: ContactOptions): Promise<string[]> {
  const { model, students, out, pictures: each, seeds, steps, teacherSteps, guidance } = options;
  await makeFolder(out);
  const [own] = students;
  const path = own?.model ?? model;
  using loaded = await loadModel(await openModel(nodeFolder(path)), { device, signal });
  const passes = own ? (own.steps ?? steps) : teacherSteps;
  const drawn: Drawn = { steps: passes, sampler: own ? "few-step" : "ddim" };
  const plain: Drawn = { ...drawn, ...(passes > 1 && { guidance: own ? 1 : guidance }) };
  const total = contactPrompts.length * each + contactNegatives.length * each * 2;
  onPictures("contact", 0, total);
  const draw = async (prompt: string, how: Drawn, seed: number): Promise<Picture[]> => {
    const noises = noisesOf(loaded, { count: each, of: how.sampler === "few-step" ? passes : 1, seed });
    const found = await generateBatch(loaded, { ...how, prompts: new Array<string>(each).fill(prompt), noises }, { signal });
    onPictures("contact", each, total);
    return pixelsOf(found);
  };
  const [seed] = seeds;
  const common = { model: basename(resolve(path)), seed: String(seed), steps: String(passes), software };

  const prompts: Picture[] = [];
  for (const prompt of contactPrompts) prompts.push(...(await draw(prompt, plain, seed)));
  const first = contactSheet(prompts, each);

  // The first method at its greatest scale: NASA unless others are named.
  const [{ method, scales }] = options.methods;
  const scale = Math.max(...scales);
  const negatives: Picture[] = [];
  for (const { prompt, negative } of contactNegatives) {
    negatives.push(...(await draw(prompt, plain, seed)));
    negatives.push(...(await draw(prompt, { ...drawn, guidance: method, guidanceScale: scale, negative }, seed)));
  }
  const second = contactSheet(negatives, 2 * each);

  const kept = contactNegatives.map(({ prompt, negative }) => `${prompt}; right half: without ${negative}`);
  const sheets: Sheet[] = [
    { name: "prompts", sheet: first, rows: contactPrompts, more: {}, words: `One prompt a row, ${each} noises.` },
    {
      ...{ name: "negatives", sheet: second, rows: kept, more: { guidance: method, guidance_scale: String(scale) } },
      words: `Left half: the prompt alone. Right half: the same noises with a negative prompt, by ${method} at scale ${scale}.`,
    },
  ];
  return written(sheets, { out, title: `Pictures of ${common.model}, ${inSteps(passes)}`, common });
}

interface Sheet {
  readonly name: string;
  readonly sheet: Picture;
  readonly rows: readonly string[];
  readonly more: Readonly<Record<string, string>>;
  readonly words: string;
}

interface Written {
  readonly out: string;
  readonly title: string;
  readonly common: Readonly<Record<string, string>>;
}

async function written(sheets: readonly Sheet[], { out, title, common }: Written): Promise<string[]> {
  const page = [`# ${title}`, ""];
  const files: [string, Uint8Array][] = [];
  for (const { name, sheet, rows, more, words } of sheets) {
    const captions = rows.map((row, i) => `${i + 1}. ${row}`);
    files.push([`contact-${name}.png`, await encodePng({ ...sheet, text: { captions: captions.join("\n"), ...more, ...common } })]);
    page.push(`![${name}](contact-${name}.png)`, "", words, "", ...captions, "");
  }
  files.push(["contact.md", new TextEncoder().encode(page.join("\n"))]);
  for (const [name, bytes] of files) await (await openOutput(join(out, name))).write(bytes);
  return files.map(([name]) => join(out, name));
}

type Drawn = Omit<BatchRequest, "prompts" | "noises">;

function noisesOf({ model }: LoadedModel, { count, of, seed }: { count: number; of: number; seed: number }): BatchRequest["noises"] {
  const shape = [count, model.vae.latentChannels, model.size.height / model.factor, model.size.width / model.factor];
  return Array.from({ length: of }, (_, step) => normals(shape, foldIn(keyFromSeed(seed), 8 + step)));
}
