import { lineChart, type Series } from "../../report/line-chart.ts";
import type { Cell, CellKappa } from "./cell.ts";
import { columns, described, legend, type Measured, measured, type Row, showRows } from "./rows.ts";
import { amount, type Table, type TableOptions } from "./table.ts";

const nameOf = (kappa: CellKappa) => (typeof kappa === "number" ? `κ ${kappa}` : `κ ~ U(${kappa.join(", ")})`);
const fileOf = (kappa: CellKappa) => (typeof kappa === "number" ? `k${kappa}` : `u${kappa.join("-")}`);

/** The teacher at several κ of classifier-free guidance, random ones included (SNOOPI's Table 1). */
export function guidanceTable({ model, pictures, seeds, teacherSteps: steps, kappas }: TableOptions): Table {
  const rows: Row[] = kappas.map((kappa) => ({
    name: nameOf(kappa),
    cells: [
      seeds.map(
        (seed): Cell => ({
          name: `${fileOf(kappa)}-s${seed}`,
          source: { by: "model", model, steps, sampler: "ddim", kappa },
          prompts: "captions",
          pictures,
          seed,
          features: true,
        }),
      ),
    ],
  }));
  return {
    name: "guidance",
    cells: rows.flatMap(({ cells }) => cells.flat()),
    report(figuresOf, about) {
      const found = measured(rows, columns, figuresOf);
      const title = `Guidance of the teacher, DDIM with ${steps} steps, ${amount(pictures, seeds)}`;
      const curves = (keys: readonly string[]) => keys.flatMap((key) => curvesOf(key, kappas, found));
      const axes = { xLabel: "κ", title: "Guidance of the teacher" };
      return {
        json: { title, columns: described(about, found, columns), rows: found },
        markdown: [
          `# ${title}`,
          "",
          intro,
          showRows("guidance", found, columns),
          legend(about, { rows: found, of: columns, spread: "seeds of noise and captions" }),
        ].join("\n"),
        charts: {
          "": lineChart(curves(["frechet"]), { ...axes, yLabel: "Fréchet distance" }),
          shares: lineChart(curves(["fidelity", "valid", "precision", "recall", "entropy"]), { ...axes, yLabel: "share" }),
        },
      };
    },
  };
}

const intro = `Which strength of classifier-free guidance draws best? κ 1 is none; κ ~ U(a, b) draws another κ between a and b for each picture.
`;

/** Fixed κ as a curve, each random one as a line across its interval. */
function curvesOf(key: string, kappas: readonly CellKappa[], found: readonly Measured[]): Series[] {
  const { head } = columns.find((column) => column.key === key)!;
  const at = (i: number) => found[i].figures[key]?.mean;
  const fixed = kappas.flatMap((kappa, i) => (typeof kappa === "number" && at(i) !== undefined ? [[kappa, at(i)] as const] : []));
  const random = kappas.flatMap((kappa, i): Series[] => {
    const y = at(i);
    if (typeof kappa === "number" || y === undefined) return [];
    return [{ name: `${head}, ${nameOf(kappa)}`, points: kappa.map((x) => [x, y] as const) }];
  });
  return [...(fixed.length > 0 ? [{ name: head, points: [...fixed].sort((a, b) => a[0] - b[0]) }] : []), ...random];
}
