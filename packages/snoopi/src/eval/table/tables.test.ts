import { describe, expect, test } from "vitest";
import { captionOf } from "../../world/caption.ts";
import type { Cell, Drawing } from "./cell.ts";
import { type Course, curvesTable } from "./curves.ts";
import { exclusionTable } from "./exclusion-table.ts";
import type { Figures } from "./figures.ts";
import { guidanceTable } from "./guidance.ts";
import { judgeTable } from "./judge-table.ts";
import { studentsTable } from "./students.ts";
import { slug, type Table, type TableOptions } from "./table.ts";

const options: TableOptions = {
  model: "teacher",
  students: [],
  pictures: 8,
  seeds: [0, 1],
  teacherSteps: 25,
  guidance: 3,
  steps: 1,
  kappas: [2, 3, [2, 5]],
  methods: [{ method: "nasa", scales: [0.5, 1] }],
};
const about = { features: "means", reference: 64, floors: [{ models: ["teacher"], psnr: 23, explained: 0.7 }] };
const figures = (over: Partial<Figures> = {}): Figures => ({
  ...{ pictures: 8, fidelity: 0.5, valid: 0.5, both: 0.25, attributes: {}, entropy: 0.9, frechet: 3, precision: 0.6, recall: 0.7 },
  ...over,
});
const drawing = ({ source }: Cell) => source as Drawing;
const rowsOf = (table: Table, of: (cell: Cell) => Figures) =>
  table
    .report(of, about)
    .markdown.split("\n")
    .filter((line) => line.startsWith("| "));

test("every cell of every table has a name of its own, fit for a file", () => {
  const students = ["a", "b"].map((label) => ({ label, model: `models/${label}` }));
  for (const make of [guidanceTable, studentsTable, exclusionTable, judgeTable]) {
    const { cells } = make({ ...options, students });
    // The baseline without a negative has a cell of its own for each pair.
    expect(new Set(cells.map(({ name }) => name)).size).toBe(cells.length);
    for (const { name } of cells) expect(name).toMatch(/^[\p{L}\p{N}][\p{L}\p{N}.-]*$/u);
  }
  expect([slug("../x y"), slug("κ = 3!"), slug("//")]).toEqual(["x-y", "κ-3", "x"]);
});

test("the table of guidance has a row for each κ with its spread over seeds, and draws random ones across their interval", () => {
  const table = guidanceTable(options);
  expect(table.cells.map(({ source }) => (source as Drawing).kappa)).toEqual([2, 2, 3, 3, [2, 5], [2, 5]]);
  const of = (cell: Cell) => figures({ frechet: cell.seed === 0 ? 2 : 4 });
  const [, , first] = rowsOf(table, of);
  // Sample standard deviation of 2 and 4.
  expect(first).toContain("3.000 ± 1.414");
  const { charts } = table.report(of, about);
  expect(Object.keys(charts)).toEqual(["", "shares"]);
  expect(charts[""]).toContain("Fréchet, κ ~ U(2, 5)");
});

test("several trainings of one label are one row, whose spread is over trainings", () => {
  const students = ["x/1", "x/2", "y"].map((model) => ({ label: model[0], model }));
  const table = studentsTable({ ...options, students });
  const of = (cell: Cell) => figures({ fidelity: { "x/1": 0.2, "x/2": 0.4 }[drawing(cell).model] ?? 0.5 });
  const rows = rowsOf(table, of);
  expect(rows.length).toBe(2 + 3);
  expect(rows[3]).toMatch(/^\| x +\| 0\.300 ± 0\.141/);
  expect(table.report(of, about).markdown).toContain("over trainings where a row has several");
  expect(table.report(of, about).json).toMatchObject({
    rows: [{ trainings: 1 }, { name: "x", trainings: 2 }, { name: "y", trainings: 1 }],
  });
});

describe("curves of students", () => {
  const course = (model: string, ...steps: number[]): Course => ({
    label: model[0],
    model,
    snapshots: steps.map((taken) => ({ taken, folder: `${model}/snapshots/${taken}` })),
  });
  const courses = [course("x/1", 0, 50, 100), course("x/2", 0, 50, 100), course("y/1", 50)];
  const table = curvesTable({ ...options, seeds: [0] }, courses);
  /** Of x 10, 7, 4 and 10, 9, 8; of y 5. */
  const of = (cell: Cell) => {
    const [label, training, , taken] = drawing(cell).model.split("/");
    const step = Number(taken) / 50;
    return figures({ frechet: label === "y" ? 5 : 10 - (training === "1" ? 3 : 1) * step });
  };

  test("have a cell for each snapshot, drawn as a student draws", () => {
    expect(table.cells.map(({ name }) => name)).toEqual([
      ...["1-x-1-0-s0", "1-x-1-50-s0", "1-x-1-100-s0", "1-x-2-0-s0", "1-x-2-50-s0", "1-x-2-100-s0", "2-y-1-50-s0"],
    ]);
    expect(drawing(table.cells[1])).toEqual({ by: "model", model: "x/1/snapshots/50", steps: 1, sampler: "few-step", kappa: 1 });
    const few = curvesTable({ ...options, seeds: [0] }, [{ ...courses[2], steps: 4 }]);
    expect(drawing(few.cells[0]).steps).toBe(4);
  });

  test("are means over trainings of a label with their spread, a column for each step", () => {
    const lines = table.report(of, about).markdown.split("\n");
    const at = lines.indexOf("## Fréchet ↓");
    expect(lines.slice(at + 2, at + 6).map((line) => line.replaceAll(/ +/g, " "))).toEqual([
      "| student | step 0 | step 50 | step 100 |",
      expect.stringMatching(/^\| -+ \| -+: \| -+: \| -+: \|$/),
      // 7 and 9, 4 and 8.
      "| x | 10.000 ± 0.000 | 8.000 ± 1.414 | 6.000 ± 2.828 |",
      "| y | – | 5.000 | – |",
    ]);
    const { rows } = table.report(of, about).json as { rows: { name: string; trainings: number; points: object[] }[] };
    expect(rows.map(({ name, trainings }) => [name, trainings])).toEqual([
      ["x", 2],
      ["y", 1],
    ]);
    expect(rows[0].points[2]).toMatchObject({ step: 100, figures: { frechet: { count: 2, mean: 6 }, fidelity: { mean: 0.5 } } });
  });

  test("are drawn thick for the mean and thin for each training", () => {
    const { charts } = table.report(of, about);
    expect(Object.keys(charts)).toEqual(["", "fidelity", "entropy"]);
    // x's two trainings and mean have a path each; y has one snapshot, a dot.
    expect([charts[""].match(/<path d="M[^"]*L/g)?.length, charts[""].match(/<circle/g)?.length]).toEqual([3, 1]);
    expect(charts[""].match(/stroke-opacity/g)?.length).toBe(2);
  });

  test("are refused where trainings of one label were not kept at the same steps", () => {
    expect(() => curvesTable(options, [courses[0], course("x/2", 0, 50)])).toThrow(
      "eval: x/2 has snapshots of steps 0, 50, and x/1, of the same label, of 0, 50, 100. Give each a label of its own, or",
    );
  });
});

test("the exclusion table averages over all pairs and over the harder of each couple, with validity beside", () => {
  const table = exclusionTable({ ...options, seeds: [0] });
  // Without a negative small shapes are drawn in a quarter of the pictures, hollow ones in half, white grounds in a tenth.
  const before: Record<string, number> = { small: 0.75, large: 0.25, solid: 0.5, hollow: 0.5, black: 0.1, white: 0.9 };
  const of = (cell: Cell) => {
    const [word] = Object.values(cell.lacks!);
    const { away } = drawing(cell);
    const lacking = away ? Math.min(1, (before[word] ?? 0.8) + 0.4 * away.scale) : (before[word] ?? 0.8);
    return figures({ lacking, valid: 0.5, lackingAndValid: lacking / 2 });
  };
  const { json } = table.report(of, about);
  const line = (method: string, scale: number) =>
    (json.lines as { group: string; way: { method: string; scale: number }; aggregates: Record<string, { mean: number }> }[]).find(
      ({ group, way }) => group === "a shape" && way.method === method && way.scale === scale,
    )!.aggregates;
  // Couples are complementary: all pairs give 50. The harder are large, solid (or hollow) and black.
  expect(line("none", 0).without.mean).toBeCloseTo(50, 10);
  expect(line("none", 0).harderWithout.mean).toBeCloseTo((25 + 50 + 10) / 3, 10);
  expect(line("nasa", 1).harderWithout.mean).toBeCloseTo((65 + 90 + 50) / 3, 10);
  expect(line("nasa", 1).harderBoth.mean).toBeCloseTo((65 + 90 + 50) / 6, 10);
  expect(line("nasa", 0.5).harderValid.mean).toBeCloseTo(50, 10);
  const colours = (json.lines as { group: string; aggregates: object }[]).find(({ group }) => group === "colours")!;
  expect(Object.keys(colours.aggregates)).toEqual(["without", "valid", "both", "prompt"]);
});

test("every negative is a caption, and the pictures before and after start from the same seed", () => {
  const { cells } = exclusionTable(options);
  for (const cell of cells) {
    const { away } = drawing(cell);
    if (away) expect(away.negative).toBe(captionOf(cell.lacks!));
  }
  // (6 couples' members under two prompts + 6 colours) × (none and two scales) × two seeds.
  expect(cells.length).toBe(18 * 3 * 2);
});
