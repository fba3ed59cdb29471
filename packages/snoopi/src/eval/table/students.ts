import { dotChart } from "../../report/dot-chart.ts";
import type { Cell, Drawing } from "./cell.ts";
import { columns, described, headOf, legend, type Measured, measured, type Row, showRows } from "./rows.ts";
import { amount, byLabel, inSteps, slug, type Table, type TableOptions } from "./table.ts";

/** Students beside their teacher (SNOOPI's Table 2, when the students are its rows). */
export function studentsTable({ model, students, pictures, seeds, teacherSteps, guidance, steps }: TableOptions): Table {
  const cellsOf = (name: string, source: Drawing) =>
    seeds.map((seed): Cell => ({ name: `${slug(name)}-s${seed}`, source, prompts: "captions", pictures, seed, features: true }));
  const teacher: Drawing = { by: "model", model, steps: teacherSteps, sampler: "ddim", kappa: guidance };
  const rows: Row[] = [
    { name: `teacher, DDIM ${teacherSteps}, κ ${guidance}`, cells: [cellsOf("teacher", teacher)] },
    ...byLabel(students).map(({ label, trainings }, row) => ({
      name: label,
      cells: trainings.map(({ model: folder, steps: own = steps }, i) =>
        cellsOf(`${row + 1}-${label}-${i + 1}`, { by: "model", model: folder, steps: own, sampler: "few-step", kappa: 1 }),
      ),
    })),
  ];
  const trainings = rows.some(({ cells }) => cells.length > 1);
  return {
    name: "students",
    cells: rows.flatMap(({ cells }) => cells.flat()),
    report(figuresOf, about) {
      const found = measured(rows, columns, figuresOf);
      const title = `Students beside their teacher, ${amount(pictures, seeds)}`;
      const spread = trainings ? "trainings where a row has several, else over seeds of noise and captions" : "seeds of noise and captions";
      const passes = rows.map(({ cells }) => [...new Set(cells.flat().map(({ source }) => (source as Drawing).steps))]);
      const panels = columns.flatMap(({ key, head, better }) => {
        const points = found.flatMap(({ name, figures }) => (figures[key] ? [{ name, ...figures[key] }] : []));
        return points.length > 0 ? [{ name: headOf({ head, better }), points }] : [];
      });
      return {
        json: {
          title,
          columns: described(about, found, columns),
          rows: found.map((row, i) => ({ ...row, trainings: rows[i].cells.length, steps: passes[i] })),
        },
        markdown: [
          `# ${title}`,
          "",
          showRows("model", found, columns),
          ...found.map((row, i) => `- ${row.name}: ${passes[i].map(inSteps).join(" and ")}${beside(row, i === 0 ? undefined : found[0])}.`),
          "",
          legend(about, { rows: found, of: columns, spread }),
        ].join("\n"),
        charts: { "": dotChart(panels, { title: "Students and teacher" }) },
      };
    },
  };
}

/** A student's fidelity as a share of its teacher's. */
function beside({ figures }: Measured, teacher: Measured | undefined): string {
  if (!teacher || teacher.figures.fidelity.mean === 0) return "";
  return `, ${((100 * figures.fidelity.mean) / teacher.figures.fidelity.mean).toFixed(0)} % of the teacher's fidelity`;
}
