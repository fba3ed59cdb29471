import { expect, test } from "vitest";
import { markdownTable } from "./markdown-table.ts";

test("columns are padded, and those of figures stand right", () => {
  expect(
    markdownTable(
      ["κ", "Fréchet"],
      [
        ["fixed 2", "10.77 ± 0.20"],
        ["random", 9.5],
      ],
    ),
  ).toBe(
    ["| κ       |      Fréchet |\n", "| ------- | -----------: |\n", "| fixed 2 | 10.77 ± 0.20 |\n", "| random  |          9.5 |\n"].join(
      "",
    ),
  );
});

test("bars and line breaks stay within their cell", () => {
  expect(markdownTable(["a"], [["x|y\nz\\"]]).split("\n")[2]).toBe("| x\\|y<br>z\\\\ |");
});

test("a header alone is a table", () => {
  expect(markdownTable(["a", "b"], [])).toBe("| a   | b   |\n| --- | --- |\n");
});

test("no columns and rows of another length are refused in one line", () => {
  expect(() => markdownTable([], [])).toThrow("table: there are no columns. Pass at least 1.");
  expect(() => markdownTable(["a", "b"], [[1, 2], [1]])).toThrow("table: row 1 has 1 cells and the header 2. Pass one for each column.");
});
