import { lineChart } from "../../report/line-chart.ts";
import { markdownTable } from "../../report/markdown-table.ts";
import { captionOf } from "../../world/caption.ts";
import { showSpread } from "../spread.ts";
import type { Group } from "./exclusion-pairs.ts";
import type { Line } from "./exclusion-rates.ts";
import { floorsInWords } from "./rows.ts";
import { type About, slug, type TableOptions } from "./table.ts";

export function section({ name, prompts, couples: coupled, negatives }: Group, lines: readonly Line[], several: boolean): string {
  const columns: readonly (readonly [key: string, head: string])[] = [
    ...(coupled
      ? ([
          ["harderWithout", "harder: without"],
          ["harderValid", "valid"],
          ["harderBoth", "both"],
        ] as const)
      : []),
    ...([
      ["without", "all: without"],
      ["valid", "valid"],
      ["both", "both"],
    ] as const),
    ...(asks(prompts) ? ([["prompt", "prompt"]] as const) : []),
  ];
  const head = [
    ...(several ? ["model"] : []),
    "guidance",
    ...columns.map(([, words]) => `${words} ↑`),
    ...negatives.map((one) => Object.values(one)[0]),
  ];
  const body = lines
    .filter(({ group }) => group === name)
    .map(({ model, way, aggregates, pairs }) => [
      ...(several ? [model] : []),
      way.method === "none" ? "none" : `${way.method} ${way.scale}`,
      ...columns.map(([key]) => showSpread(aggregates[key], { digits: 1 })),
      ...pairs.map(({ without }) => (without as number).toFixed(0)),
    ]);
  const asked = prompts.length === 1 ? `"${prompts[0]}"` : `${prompts.slice(0, -1).join(", ")} and ${prompts.at(-1)} in turn`;
  return `## ${name}\n\nPrompt: ${asked}.\n\n${markdownTable(head, body)}`;
}

/** "a shape" asks for nothing that a picture could lack. */
const asks = (prompts: readonly string[]) => prompts.some((prompt) => prompt !== captionOf({}));

interface Shown {
  readonly groups: readonly Group[];
  readonly trainings: boolean;
  readonly seeds: number;
}

export const meaning = ({ floors }: About, { groups, trainings, seeds }: Shown) =>
  [
    'Each pair is a prompt with a negative prompt that names one value, as in "a small shape". Figures are percent of pictures, ↑ higher is better.',
    "The row _none_ is the same noises without the negative.",
    "",
    "- _without_: the judge does not find what the negative names.",
    `- _valid_: the world could have drawn the picture: ${floorsInWords(floors)}. An empty or broken picture also lacks what is to stay away.`,
    "- _both_: without it, and valid.",
    ...(groups.some(({ prompts }) => asks(prompts)) ? ["- _prompt_: the judge still finds what the prompt names."] : []),
    "- _harder_: the mean over one pair of each couple (small and large, solid and hollow, black and white), the one with the lower rate without a negative. The paper's Table 3 averages so.",
    "- _all_: the mean over all pairs. Of couples it is 50 without a negative, whatever the model draws.",
    "- the last columns: _without_ for each pair.",
    ...(trainings || seeds > 1
      ? [`- _±_: one standard deviation over ${trainings ? "trainings where a model has several, else over " : ""}seeds of noise.`]
      : []),
    "",
  ].join("\n");

/** Charts over the scale, for each method that has scales: what stays away, and what is also valid. Of the first model only. */
export function chartsOf(
  { name, couples: coupled }: Group,
  lines: readonly Line[],
  methods: TableOptions["methods"],
  at: number,
): [string, string][] {
  const swept = methods.filter(({ scales }) => scales.length > 0);
  if (swept.length === 0) return [];
  const first = lines[0].model;
  const own = lines.filter((line) => line.model === first && line.group === name);
  const start = own.find(({ way }) => way.method === "none")!;
  const curve = (method: string, key: string) => [
    [0, start.aggregates[key].mean] as const,
    ...own
      .filter(({ way }) => way.method === method)
      .map(({ way, aggregates }) => [way.scale, aggregates[key].mean] as const)
      .sort((a, b) => a[0] - b[0]),
  ];
  const [without, both] = coupled ? ["harderWithout", "harderBoth"] : ["without", "both"];
  const draw = (key: string, yLabel: string) =>
    lineChart(
      swept.map(({ method }) => ({ name: method, points: curve(method, key) })),
      { title: `${first}: ${name}`, xLabel: "scale", yLabel },
    );
  const file = slug(name);
  return [
    [at === 0 ? "" : file, draw(without, "without the attribute, %")],
    [`${file}-both`, draw(both, "without it and valid, %")],
  ];
}
