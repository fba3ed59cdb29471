import { lineChart } from "../../report/line-chart.ts";
import { attributeNames } from "../../world/attributes.ts";
import type { Cell, Truth } from "./cell.ts";
import { type Column, described, floorsInWords, legend, measured, type Row, showRows } from "./rows.ts";
import { amount, type Table, type TableOptions } from "./table.ts";

/** Standard deviations of the noise on pictures from −1 to 1. */
const noises = [0, 0.05, 0.1, 0.2, 0.3, 0.4];

const columns: readonly Column[] = [
  {
    ...{ key: "all", head: "all right", better: "higher", digits: 3, of: ({ fidelity }) => fidelity },
    meaning: () => "share of pictures of which the judge reads all five attributes as they were drawn",
  },
  ...attributeNames.map(
    (name): Column => ({
      ...{ key: name, head: name, better: "higher", digits: 3, of: ({ attributes }) => attributes[name] },
      meaning: () => `share of pictures of which it reads the ${name} as drawn`,
    }),
  ),
  {
    ...{ key: "valid", head: "valid", better: "higher", digits: 3, of: ({ valid }) => valid },
    meaning: ({ floors }) => `share of pictures that the other tables would call valid: ${floorsInWords(floors)}`,
  },
];

/** How often the judge of all other tables is right, on pictures whose truth is known. */
export function judgeTable({ model, pictures, seeds }: TableOptions): Table {
  const rowOf = (name: string, file: string, source: Truth): Row => ({
    name,
    cells: [seeds.map((seed): Cell => ({ name: `${file}-s${seed}`, source, prompts: "scenes", pictures, seed, features: false }))],
  });
  const rows = [
    ...noises.map((noise) => rowOf(noise === 0 ? "rendered" : `noise of σ ${noise}`, `noise-${noise}`, { by: "render", model, noise })),
    rowOf("the VAE's round trip", "round-trip", { by: "round-trip", model, noise: 0 }),
  ];
  return {
    name: "judge",
    cells: rows.flatMap(({ cells }) => cells.flat()),
    report(figuresOf, about) {
      const found = measured(rows, columns, figuresOf);
      const title = `The pixel judge, ${amount(pictures, seeds)}`;
      const points = (key: string) => noises.map((noise, i) => [noise, found[i].figures[key].mean] as const);
      return {
        json: { title, columns: described(about, found, columns), rows: found },
        markdown: [
          `# ${title}`,
          "",
          showRows("pictures", found, columns),
          "Noise is normal, on pictures from −1 to 1. The round trip goes through the VAE's encoder and decoder: what they blur no model can draw.",
          "",
          legend(about, { rows: found, of: columns, spread: "seeds of scenes and noise" }),
        ].join("\n"),
        charts: {
          "": lineChart(
            columns.filter(({ key }) => key !== "valid").map(({ key, head }) => ({ name: head, points: points(key) })),
            { title: "The judge under noise", xLabel: "σ of the noise", yLabel: "share read right" },
          ),
        },
      };
    },
  };
}
