import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { foldIn, keyFromSeed, SnoopiError } from "@snoopi/core";
import {
  type BatchRequest,
  contactSheet,
  encodePng,
  generateBatch,
  judge,
  type LoadedModel,
  loadModel,
  openModel,
  type Picture,
  parseCaption,
  satisfies,
} from "@snoopi/snoopi";
import { nodeFolder, openOutput } from "@snoopi/snoopi/node";
import { openDevice } from "../packages/snoopi/src/cli/device.ts";
import { namedModel } from "../packages/snoopi/src/cli/named-model.ts";
import { contactNegatives, contactPrompts } from "../packages/snoopi/src/eval/table/contact.ts";
import { normals } from "../packages/snoopi/src/train/examples.ts";
import { pixelsOf } from "../packages/snoopi/src/train/sheet.ts";

// Draws the README's pictures with the student that ships: docs/images/tiny-prompts.png has a prompt in each column,
// docs/images/tiny-negatives.png a prompt and its negative, and below each picture the same noise with the negative. Noises are not
// selected, except that with negatives they are the first whose picture shows what is to be kept away, or there would be nothing to see.
// node --conditions=source --import tsx scripts/tiny-pictures.ts

const rows = 3;
const noisesOfPair = 2;
const tried = 16;
/** α of NASA, the scale of the paper's listing. */
const nasaScale = 1;
/** The most bytes of a picture in the README. */
const most = 200_000;

const folder = resolve(import.meta.dirname, "../docs/images");
mkdirSync(folder, { recursive: true });
const { path, name: model } = await namedModel("tiny");
using opened = await openDevice("auto");
using loaded = await loadModel(await openModel(nodeFolder(path)), { device: opened.device });

const columns: Picture[][] = [];
for (const prompt of contactPrompts) columns.push(pixelsOf(await draw(loaded, { prompt, noises: noisesOf(loaded, rows) })));
await write("tiny-prompts.png", columns, { captions: contactPrompts.join("\n") });

const pairs: Picture[][] = [];
for (const { prompt, negative } of contactNegatives) {
  const noises = noisesOf(loaded, tried);
  const before = await draw(loaded, { prompt, noises });
  const chosen = showing(before, negative).slice(0, noisesOfPair);
  if (chosen.length < noisesOfPair)
    throw new SnoopiError(`tiny-pictures: of ${tried} pictures of "${prompt}" only ${chosen.length} show ${negative}. Try more.`);
  const after = pixelsOf(await draw(loaded, { prompt, negative, nasaScale, noises: some(noises, chosen) }));
  const plain = pixelsOf(before);
  pairs.push(chosen.flatMap((i, at) => [plain[i], after[at]]));
}
await write("tiny-negatives.png", pairs, {
  nasa_scale: String(nasaScale),
  captions: contactNegatives.map(({ prompt, negative }) => `${prompt} without ${negative}`).join("\n"),
});

type Numbers = BatchRequest["noises"][number];

/** Standard normals, the same for every prompt. */
function noisesOf({ model: { vae, size, factor } }: LoadedModel, count: number): Numbers {
  return normals([count, vae.latentChannels, size.height / factor, size.width / factor], foldIn(keyFromSeed(0), 1));
}

interface Drawn {
  readonly prompt: string;
  readonly negative?: string;
  readonly nasaScale?: number;
  readonly noises: Numbers;
}

/** As the student draws by default, in one step. */
function draw(loaded: LoadedModel, { prompt, noises, ...more }: Drawn): Promise<Numbers> {
  return generateBatch(loaded, { ...more, prompts: new Array<string>(noises.shape[0]).fill(prompt), noises: [noises] });
}

/** Which pictures show what a caption says. */
function showing({ shape, data }: Numbers, caption: string): number[] {
  const size = data.length / shape[0];
  const asked = parseCaption(caption);
  return Array.from({ length: shape[0] }, (_, i) => i).filter((i) => {
    const picture = Float32Array.from(data.subarray(i * size, (i + 1) * size), (v) => Math.min(1, Math.max(-1, v)));
    return satisfies(judge(picture).attributes, asked);
  });
}

function some({ shape, data }: Numbers, chosen: readonly number[]): Numbers {
  const size = data.length / shape[0];
  const parts = chosen.flatMap((i) => [...data.subarray(i * size, (i + 1) * size)]);
  return { shape: [chosen.length, ...shape.slice(1)], data: Float32Array.from(parts) };
}

/** Pictures column by column as one file. */
async function write(name: string, columns: readonly (readonly Picture[])[], text: Readonly<Record<string, string>>): Promise<void> {
  const byRow = columns[0].flatMap((_, row) => columns.map((column) => column[row]));
  const png = await encodePng({ ...contactSheet(byRow, columns.length), text: { ...text, model } });
  if (png.length > most) throw new SnoopiError(`${name}: it has ${png.length} bytes, and ${most} is the most. Draw fewer pictures.`);
  await (await openOutput(join(folder, name))).write(png);
  console.log(`${join("docs", "images", name)}: ${png.length} bytes`);
}
