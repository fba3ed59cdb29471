import { expect, test } from "vitest";
import { fromCsv, lossChart, rounded, toCsv } from "./curve.ts";

const rows = Array.from({ length: 450 }, (_, step) => rounded({ step, loss: 1 / (step + 3), rate: 1e-3 / 7 }));

test("rows come back from CSV as they were", () => {
  expect(fromCsv(toCsv(rows), "loss.csv")).toEqual(rows);
  expect(fromCsv("", "loss.csv")).toEqual([]);
});

test("a damaged CSV is refused with the line", () => {
  expect(() => fromCsv("step,loss\n0,1\n1,x\n", "loss.csv")).toThrow("loss.csv: line 3 is no row of 2 numbers.");
});

test("the curve shows means of stretches, and says of how many steps", () => {
  const svg = lossChart(rows, "vae");
  expect(svg).toContain("loss, mean of 3 steps");
  // 150 stretches: one move and 149 lines.
  expect(svg.match(/stroke-linejoin="round"/g)).toHaveLength(1);
  expect(/d="(M[^"]*)" fill="none" stroke-linejoin/.exec(svg)![1].match(/L/g)).toHaveLength(149);
});

test("a loss that reaches 0 is drawn on a linear scale", () => {
  expect(
    lossChart(
      [
        { step: 0, loss: 1 },
        { step: 1, loss: 0 },
      ],
      "one",
    ),
  ).toContain("loss");
});
