import { markdownTable, showSpread } from "@snoopi/snoopi";
import type { Figures, Row, Shown } from "./figures.ts";
import type { Holding } from "./holding.ts";
import type { ModelName } from "./parts.ts";
import type { Training } from "./training.ts";

/** What ships, as made.json in the package says it beside the weights. */
export interface Made {
  readonly trained: Partial<Record<ModelName, Readonly<Record<string, Training>>>>;
  readonly figures: Figures;
}

/** README.md of the package: the model card. Every number in it is read from the weights, from checkpoints or from an evaluation's tables. */
export function card(made: Made, holding: readonly Holding[]): string {
  const has = (model: ModelName) => holding.some((one) => one.model === model && one.whole);
  return [
    intro,
    use(has, holding.length > 0),
    ...(holding.length > 0 ? [weights(holding)] : []),
    data,
    ...training(made.trained),
    ...figures(made.figures),
    limits,
  ].join("\n");
}

const intro = `# @snoopi/tiny

A text-to-image teacher and its one-step student, small enough to ship: 64 × 64 pictures of one shape on a background, from captions of a small
grammar ("a large hollow red star on a black background"). They show what the library can do, and \`snoopi generate\` draws with the student by
default. Both are ordinary diffusers folders with weights in f16. \`scripts/ship-tiny.ts\` writes this page.
`;

function use(has: (model: ModelName) => boolean, parts: boolean): string {
  const lines = [
    ...(has("student") ? ['snoopi generate --prompt "a red star on a black background" --out star.png'] : []),
    ...(has("student") ? ['snoopi generate --prompt "a shape" --negative "a red shape" --out shape.png'] : []),
    ...(has("teacher") ? ['snoopi generate --model tiny-teacher --guidance 3 --prompt "a blue square" --out square.png'] : []),
  ];
  if (lines.length === 0) return `There ${parts ? "is no whole model" : "are no weights"} in it yet: the models are being trained.\n`;
  const missing = has("student") ? "" : "\nThe student is not there yet.\n";
  const example = has("student")
    ? `
\`\`\`ts
import { fileURLToPath } from "node:url";
import { openModel } from "@snoopi/snoopi";
import { nodeFolder } from "@snoopi/snoopi/node";
import { student } from "@snoopi/tiny";

const { size, sampling } = await openModel(nodeFolder(fileURLToPath(student)));
size; // => { width: 64, height: 64 }
sampling; // => { steps: 1, sampler: "few-step" }
\`\`\`
`
    : "";
  const python = has("student")
    ? `
diffusers draws the same pictures (\`guidance_scale=1\` turns its guidance off):

\`\`\`python
StableDiffusionPipeline.from_pretrained("student")("a red star", num_inference_steps=1, guidance_scale=1)
\`\`\`
`
    : "";
  return `\`\`\`sh\n${lines.join("\n")}\n\`\`\`\n${missing}${example}${python}`;
}

function weights(holding: readonly Holding[]): string {
  const rows = holding.flatMap(({ model, components }) =>
    components.map(({ name, className, parameters }) => [`${model}/${name}`, className, parameters.toLocaleString("en")]),
  );
  const [one, other] = holding.map(({ vae }) => vae);
  const apart =
    one && other && one !== other ? "\nThe student learned from another teacher than the one here: its autoencoder is another.\n" : "";
  return `## What is in it\n\n${markdownTable(["folder", "class", "parameters"], rows)}${apart}`;
}

const data = `## Data

A program draws all pictures (\`packages/snoopi/src/world\`): a shape (circle, square, triangle, star), small or large, solid or hollow, in one of
six colours, on a black or white background, with a little randomness in place, size, angle and colour. A caption names some of these and leaves
the rest open. Nothing was downloaded; nobody's pictures or words are in it.
`;

const stages: Readonly<Record<string, string>> = {
  vae: "`snoopi train vae`",
  clip: "`snoopi train clip`",
  teacher: "`snoopi train teacher`",
  "teacher-on": "`snoopi train teacher --start`",
  regression: "`snoopi distill`, regression start",
  ahead: "`snoopi distill`, LoRA teacher ahead",
  distill: "`snoopi distill`",
};

/** How each part was trained, by its checkpoint. */
function training(trained: Made["trained"]): string[] {
  const all = Object.entries({ ...trained.teacher, ...trained.student });
  if (all.length === 0) return [];
  const batchOf = (stage: string, { config }: Training) => (stage === "regression" ? (config.regression as any)?.batch : config.batch);
  const rows = all.map(([stage, one]) => [stages[stage] ?? stage, String(one.steps), String(batchOf(stage, one) ?? "–")]);
  const { distill } = trained.student ?? {};
  return [
    `## Training\n\n${markdownTable(["command", "steps", "batch"], rows)}`,
    ...(distill ? [methodOf(distill.config)] : []),
    "All with `@snoopi/*` alone and from random weights, on pictures drawn as they were needed. `made.json` holds every setting; `docs/tiny-world.md` of the\nrepository says how to do it again.\n",
  ];
}

/** The distillation in words. */
function methodOf({ method, negatives, pairs, keepRegression, clip }: Readonly<Record<string, any>>): string {
  const kappa = ({ fixed, uniform }: any) => (uniform ? `random from ${uniform[0]} to ${uniform[1]}` : `${fixed}`);
  const said = [
    `method \`${method?.name}\``,
    ...(method?.teacherKappa == null ? [] : [`κ of the teacher ${kappa(method.teacherKappa)}`]),
    ...(method?.loraKappa == null ? [] : [`κ of the LoRA teacher ${kappa(method.loraKappa)}`]),
    ...(method?.nasa == null
      ? []
      : [`NASA at α ${kappa(method.nasa)} away from ${negatives === "world" ? "one of the world's values" : "a negative"}`]),
    ...(pairs?.count > 0 ? [`a start on ${pairs.count} pictures of the teacher`] : []),
    ...(keepRegression?.weight > 0 ? [`regression on them kept at ${keepRegression.weight}`] : []),
    ...(clip?.weight > 0 ? [`CLIP loss at ${clip.weight}`] : []),
  ];
  return `The student: ${said.join(", ")}.\n`;
}

function figures(found: Figures): string[] {
  const [teacher, student] = (found.students?.rows ?? []).map((row) => row.figures.fidelity?.mean);
  const parts = [
    section("Pictures", found.students, ["fidelity", "valid", "frechet", "precision", "recall", "clip", "entropy"], 3),
    teacher && student !== undefined ? `The student has ${((100 * student) / teacher).toFixed(0)} % of the teacher's fidelity.\n` : "",
    section("Guidance of the teacher", found.guidance, ["fidelity", "valid", "frechet", "entropy"], 3),
    section("Negative prompts", found.exclusion, ["harderWithout", "harderValid", "harderBoth", "without", "valid", "both"], 1),
    section("The judge", found.judge, ["all", "valid"], 3),
  ].filter((text) => text !== "");
  return parts.length === 0 ? [] : ["## Figures\n", ...parts];
}

/** Words for columns whose table explains them elsewhere: percent of pictures. */
const exclusion: Readonly<Record<string, string>> = {
  harderWithout: "percent without what the negative names, over the harder one of each couple such as small and large",
  harderValid: "percent of those pairs' pictures that the world could have drawn",
  harderBoth: "percent that are both",
  without: "percent without what the negative names, over all pairs",
};

function section(name: string, table: Shown | undefined, columns: readonly string[], digits: number): string {
  if (!table) return "";
  const there = columns.filter((key) => table.rows.some(({ figures }) => figures[key]));
  const cell = ({ figures }: Row, key: string) => (figures[key] ? showSpread(figures[key], { digits }) : "–");
  const body = table.rows.map((row) => [row.name, ...there.map((key) => cell(row, key))]);
  const meanings = there.flatMap((key) => {
    const meaning = table.meanings[key] ?? exclusion[key];
    return meaning === undefined ? [] : [`- _${key}_: ${meaning}.`];
  });
  return [`### ${name}`, "", `${table.title}.`, "", markdownTable(["", ...there], body), ...meanings, ""].join("\n");
}

const limits = `## What they are not for

They know this grammar and nothing else: other words give some shape or none. There is one size, 64 × 64, and one shape per picture. The figures
are about this tiny world and say nothing about models of other sizes.

Licence: MIT, weights included.
`;
